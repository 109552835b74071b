/** The digest of a proposed program: by that a person agrees to it. Pure; imports nothing heavy, because a command checks it, too. */
import { createHash } from 'node:crypto';
import type { ProposedProgram } from './types.ts';

/** Raised where the parts change, so that no digest of before means another program. */
const FORM = 1;

/** Hex SHA-256 of all that decides what the program does; two that differ in one byte have two. */
export function digestOf(program: ProposedProgram): string {
  const { args, command, files, limits, name, tools, what } = program;
  const { cpu = null, keeps, memory = null, network } = limits;
  const parts = [
    FORM,
    what,
    name,
    command,
    args,
    files.map(({ path, text }) => [path, text]),
    [network, keeps, memory, cpu],
    tools,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
