/** Entries of clients' files by which a client uses Starling: copied into a node's own file, a node would serve itself. */
import { basename, dirname } from 'node:path';
import { isObject } from '../../core/json/value-checks.ts';

/** What is said of such an entry. */
export const ITSELF = 'it is Starling itself, which is here already';

/** True for an entry that runs `starling mcp`. */
export function isStarlingItself(entry: unknown): boolean {
  if (!isObject(entry)) return false;
  const { command, args } = entry;
  if (typeof command !== 'string' || !Array.isArray(args) || !args.includes('mcp')) return false;
  if (/^starling(\.cmd|\.exe)?$/.test(basename(command))) return true;
  const script: unknown = args[args.indexOf('mcp') - 1];
  return (
    typeof script === 'string' &&
    (script === process.argv[1] ||
      basename(script) === 'starling' ||
      basename(dirname(dirname(script))) === 'starling')
  );
}
