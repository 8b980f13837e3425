"""What each command does: one module per family, all listed in L{wildduck.imap.commands.table}."""
