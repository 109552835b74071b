/** The words of a command line as people type them, and how commander is given them. Pure. */
import type { Command } from 'commander';

/** The same request in commander's words: `help grant create`, `version` and `-V` as people type them. */
export function plainWords(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === '--node' && args.length > 2) {
    return [...args.slice(0, 2), ...plainWords(args.slice(2))];
  }
  if (first === 'help') return [...rest, '--help'];
  if (first === 'version' || first === '-V') return ['--version', ...rest];
  return args;
}

/** The words without a `--node <name>` before the command, which says nothing about the command itself. */
export function withoutNode(args: readonly string[]): readonly string[] {
  if (args[0] === '--node') return args.slice(2);
  return args[0]?.startsWith('--node=') === true ? args.slice(1) : args;
}

/** The command below `parent` that goes by `word`, its own name or another one. */
export function commandOf(parent: Command, word: string): Command | undefined {
  return parent.commands.find((one) => one.name() === word || one.aliases().includes(word));
}
