/**
 * Pausing and resuming what is read. A stream or a connection that closes, or one below whose socket does, can be
 * neither paused nor resumed, and need not be: libp2p 3.3.11 throws there, often where nobody can catch it.
 */
import type { MessageStream } from '@libp2p/interface';

/** Has nothing more read of `stream` until {@link resumeReading}. */
export function pauseReading(stream: Pick<MessageStream, 'pause'>): void {
  unlessOver(() => stream.pause());
}

/** Has `stream` read again. */
export function resumeReading(stream: Pick<MessageStream, 'resume'>): void {
  unlessOver(() => stream.resume());
}

function unlessOver(action: () => void): void {
  try {
    action();
  } catch {
    // Its end is told by its own event.
  }
}
