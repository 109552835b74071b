/** The options of the commands of this repository: help, and words that there are not. */
import { expect, it } from 'vitest';
import { readOptions } from '../../sim/command-options.ts';

const USAGE = '\nnpm run try -- [part …] [options]: tries it\n\n  --quick  shortly\n';
const FORM = {
  usage: USAGE,
  options: { quick: { type: 'boolean', default: false }, seeds: { type: 'string' } },
} as const;

/** What the command says and how it ends, where it ends. */
function told(...argv: readonly string[]): Record<string, unknown> {
  const said = { out: '', err: '' };
  try {
    const read = readOptions(FORM, {
      argv,
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
      exit(code) {
        throw new Error(String(code));
      },
    });
    return { ...said, values: { ...read.values }, positionals: read.positionals };
  } catch (error) {
    return { ...said, code: (error as Error).message };
  }
}

it('gives what was said', () => {
  expect(told('mesh', '--quick', '--seeds', '3')).toEqual({
    out: '',
    err: '',
    values: { quick: true, seeds: '3' },
    positionals: ['mesh'],
  });
});

it.each(['--help', '-h'])('tells what there is at %s, whatever stands beside it', (help) => {
  expect(told('mesh', '--nope', help)).toEqual({ out: USAGE.trimStart(), err: '', code: '0' });
});

it.each([
  [['--quik'], "Unknown option '--quik'"],
  [['--seeds'], "Option '--seeds <value>' argument missing"],
  [['--quick=yes'], "Option '--quick' does not take an argument"],
])('answers %j with what there is, and no stack', (argv, said) => {
  expect(told(...argv)).toEqual({ out: '', err: `${said}\n\n${USAGE.trimStart()}`, code: '2' });
});
