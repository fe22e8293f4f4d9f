"""What every process needs: clocks, child processes, files of its own, an end."""
