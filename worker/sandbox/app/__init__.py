"""The stand-in venues as a process that can be played with over HTTP."""
