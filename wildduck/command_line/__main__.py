"""C{python -m wildduck.command_line} is the C{wildduck} command."""

from wildduck.command_line.main import main

main(prog_name="wildduck")
