"""`python -m copyrisk` is `copyrisk`."""

from copyrisk.cli import main

main()
