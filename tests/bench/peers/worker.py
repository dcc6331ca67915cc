"""What every peer does: say who it is when it is warm, then work for as long as it is told to."""

import json
import resource
import sys
import time


def serve(version, work, items):
    """Runs `work()`, which handles `items` tokens (or units), once to warm up; then, for each line on stdin, again and
    again for that many seconds. Answers with items per second and the process's peak resident memory."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries print
    work()
    print(json.dumps({"version": version}), file=answers, flush=True)
    for line in sys.stdin:
        start, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - start < float(line):
            work()
            done += 1
        rate = done * items / (time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rate": rate, "peak_mb": peak}), file=answers, flush=True)
