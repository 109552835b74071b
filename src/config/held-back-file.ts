/** What is said of a file that the node obeys and that a server could have written. */
import type { Warning } from '../core/index.ts';

/** The warning, which lasts until the operator has the node read the file. */
export function heldBack(code: string, file: string): Warning {
  return {
    code,
    text: `${file} was put there, replaced or removed while servers run that could write the new one: it is not taken up by itself`,
    hint: `look at it, then have it taken up: kill -HUP ${process.pid}; a restart takes it up, too, and shuts servers out again (a folder that has the name of the program is shut to them always)`,
  };
}
