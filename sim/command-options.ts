/** The options of a command of this repository (`npm run bench -- …`), read alike for all of them. */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** What a command takes. */
export interface CommandForm {
  /** How the command is used: its first line, then its options, a line each. */
  readonly usage: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
}

/** Where what is said goes, and what ends the command; tests give their own. */
export interface CommandEnds {
  readonly argv: readonly string[];
  readonly out: (text: string) => unknown;
  readonly err: (text: string) => unknown;
  readonly exit: (code: number) => never;
}

const PROCESS: CommandEnds = {
  argv: process.argv.slice(2),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  exit: (code) => process.exit(code),
};

type Read<Form extends CommandForm> = ReturnType<
  typeof parseArgs<{ options: Form['options']; allowPositionals: true }>
>;

/**
 * Reads the options, and what stands besides them. `--help` and `-h` print `usage` and end the command with 0; an option
 * that there is not ends the command with 2, with what there is.
 */
export function readOptions<const Form extends CommandForm>(
  { usage, options }: Form,
  { argv, out, err, exit }: CommandEnds = PROCESS,
): Read<Form> {
  if (argv.some((word) => word === '--help' || word === '-h')) {
    out(`${usage.trim()}\n`);
    return exit(0);
  }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true }) as Read<Form>;
  } catch (error) {
    if (!isAboutOptions(error)) throw error;
    const [said = ''] = error.message.split(/\. (?:To specify|Did you)/);
    err(`${said.replace(/\.$/, '')}\n\n${usage.trim()}\n`);
    return exit(2);
  }
}

function isAboutOptions(error: unknown): error is Error {
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof Error && code?.startsWith('ERR_PARSE_ARGS_') === true;
}
