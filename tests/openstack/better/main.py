"""What the contract calls "better than Heat", row by row (its section 7), against Heat alone and against stacksnap.

A row that Heat alone comes through is red: then it is no longer what it says. Themes run at the same time, their rows one
after the other; the one that kills Heat's engine runs alone, at the end. The last line says how many passed.

    main.py BINARY CONFIG URL STATE [theme…]
"""
import concurrent.futures
import os
import subprocess
import sys
import time
import traceback

import api
import busy
import crash
import failing
import kept
import life
import ours
import whole
from subject import Cloud, Subject, Worse, until

BINARY, CONFIG, URL, STATE = sys.argv[1:5]
OTHER_HEAT = {14: 'heat19'}
OURS_ONLY = {0, 16}
AT_ONCE = 4  # Cinder, Heat and Keystone share two cores


class Service:
    """stacksnap, all in one process, in front of Heat 27."""

    def __init__(self):
        self.process = None

    def start(self):
        log = open(os.path.dirname(CONFIG) + '/stacksnap.log', 'a')
        self.process = subprocess.Popen([BINARY, 'serve', '--config', CONFIG], stderr=log, stdout=log)

        def up():
            assert self.process.poll() is None, 'stacksnap has ended; see stacksnap.log'
            return subprocess.run(['curl', '-sf', '-o', '/dev/null', f'{URL.removesuffix("/v1")}/healthz'],
                                  check=False).returncode == 0
        until('stacksnap answers', up)

    def kill(self):
        self.process.kill()
        self.process.wait()


def run(theme, at, heat=None):
    """The rows of a theme against one subject; for each whether it went as it should."""
    went = []
    for number, row in theme.ROWS:
        if (heat and (number in OURS_ONLY or OTHER_HEAT.get(number, 'heat27') != heat)):
            continue
        name, began = f'{row.__name__} (row {number}, {at.name})', time.time()
        try:
            row(at)
            good, said = heat is None, 'passes' if heat is None else 'passes, and should not: Heat has got better'
        except Worse as worse:
            good, said = heat is not None, f'fails as expected: {worse}' if heat else f'is no better: {worse}'
        except Exception as error:
            good, said = False, f'{error!r}\n{traceback.format_exc()}'
        print(f'{"ok    " if good else "FAILED"} {name}, {time.time() - began:.0f} s: {said}', flush=True)
        went.append(good)
    return went


service = Service()
service.start()


def subjects():
    """Of their own for each theme: what one row leaves to the next is the theme's."""
    yield Subject('stacksnap', URL, Cloud(STATE, 'demo'), service), None
    for heat in ('heat27', 'heat19'):
        cloud = Cloud(STATE, 'alt')
        yield Subject(f'Heat {heat.removeprefix("heat")}', cloud.env[heat.upper()], cloud), heat


chosen = sys.argv[5:]
themes = [theme for theme in (life, whole, kept, failing, busy, api, ours, crash) if not chosen or theme.__name__ in chosen]
went = []
try:
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(run, theme, at, heat) for theme in themes if theme is not crash for at, heat in subjects()]
        for one in runs:
            went += one.result()
    if crash in themes:
        for at, heat in subjects():
            went += run(crash, at, heat)
finally:
    service.kill()
print(f'{sum(went)} passed, {len(went) - sum(went)} failed')
