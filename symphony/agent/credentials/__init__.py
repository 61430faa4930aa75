"""The logins of agent programs on the host: found, checked, renewed by one owner, handed out."""
