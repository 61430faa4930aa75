"""Pull requests on GitHub and GitLab, by the programs that their users have logged in with."""
