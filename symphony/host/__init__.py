"""What the rooms need of the machine: durable files, file watching, process groups, time."""
