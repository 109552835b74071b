/**
 * SIGUSR1 makes Node.js open its debugger to every process of this machine, whoever runs it: a debugger
 * reads keys and calls everything. Node 20 has no option against that (`--disable-sigusr1` came with 22.14),
 * but a listener takes the place of the one that opens the debugger.
 */
import { close, url } from 'node:inspector';
import { EXIT } from '../exit-codes.ts';

/** Options by which a person asks for the debugger. */
const ASKED = /(^|\s)--inspect(-brk|-wait|-port)?(=|\s|$)/;

let isShut = false;

/** From now on SIGUSR1 does nothing in this process. May be called again. */
export function keepDebuggerShut(): void {
  if (isShut || process.platform === 'win32') return;
  isShut = true;
  // Never taken off: without a listener the signal would end the process.
  process.on('SIGUSR1', () => undefined);
}

/**
 * The same, for a process of ours, from its first line on. The signal may have come while Node itself was
 * starting: a debugger that nobody asked for is closed, and the process ends, because it may have been used.
 * To be called again before keys are read, because Node opens a debugger a moment after the signal.
 */
export function refuseDebugger(): void {
  keepDebuggerShut();
  const asked = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (url() === undefined || ASKED.test(asked)) return;
  close();
  process.stderr.write(
    'error: a signal (SIGUSR1) opened the debugger of this process while it started\n  → start it again, and see who sends that signal\n',
  );
  process.exit(EXIT.failed);
}
