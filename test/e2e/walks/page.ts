/** What a page of `examples/` has somebody type, where, and what it says that is shown then. Pure. */

/** One command of a page. */
export interface Step {
  /** The machine whose prompt stands before it. */
  readonly at: string;
  readonly command: string;
  /** The lines below it. None: whatever is shown. */
  readonly shown: readonly string[];
}

/** A block that begins without a prompt: what the command that was left waiting shows next. */
export interface Later {
  readonly later: readonly string[];
}

const BLOCK = /^```(\S*)\n([^]*?)^```$/gm;
const PROMPT = /^([a-z][a-z0-9-]*)\$ (.*)$/;
/** Stands for what is not shown: in a line, or a line by itself for any number of lines. */
export const ELLIPSIS = '…';
const HOLE = /(…|<[a-z]+>| {2,})/;

/**
 * The steps of a page, in its order.
 * @throws Error at a block that nobody could walk: each must be a `console` with prompts
 */
export function stepsOf(page: string): readonly (Step | Later)[] {
  return [...page.matchAll(BLOCK)].flatMap(([, language = '', text = '']) => {
    if (language !== 'console')
      throw new Error(`a block of '${language}' can't be walked:\n${text}`);
    return stepsIn(text.trimEnd().split('\n'));
  });
}

function stepsIn(lines: readonly string[]): readonly (Step | Later)[] {
  const steps: (Step | Later)[] = [];
  let shown: string[] = [];
  for (const line of lines) {
    const [, at, command] = PROMPT.exec(line) ?? [];
    if (at !== undefined && command !== undefined) {
      shown = [];
      steps.push({ at, command, shown });
      continue;
    }
    if (steps.length === 0) {
      shown = [];
      steps.push({ later: shown });
    }
    shown.push(line);
  }
  return steps;
}

/** Whether the page says that more comes after what it shows. */
export function goesOn(shown: readonly string[]): boolean {
  return shown.at(-1) === ELLIPSIS;
}

/** What the page calls by names, `<ticket>`, as it was shown so far. */
export type Named = ReadonlyMap<string, string>;

/** The command with what was shown in the place of names. @throws Error for a name that nothing was shown for */
export function filled(command: string, named: Named): string {
  return command.replaceAll(/<([a-z]+)>/g, (_, name: string) => {
    const value = named.get(name);
    if (value === undefined) throw new Error(`nothing was shown for <${name}> in: ${command}`);
    return value;
  });
}

/**
 * Compares what was said with what the page shows, line for line, but for how wide columns are. Gives what was found for
 * new names; undefined where it is not as shown.
 */
export function found(
  shown: readonly string[],
  said: string,
  named: Named,
): ReadonlyMap<string, string> | undefined {
  if (shown.length === 0) return new Map();
  const seen = new Set<string>();
  const body = shown.map((line) => lineForm(line, named, seen)).join('');
  const text = said
    .trimEnd()
    .split('\n')
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
  const match = new RegExp(`^${body}${goesOn(shown) ? '' : '$'}`).exec(text);
  return match === null ? undefined : new Map(Object.entries(match.groups ?? {}));
}

/** The form of one line; `seen` has the names of the lines before, and gets those of this one. */
function lineForm(line: string, named: Named, seen: Set<string>): string {
  if (line === ELLIPSIS) return '(?:.*\\n)*?';
  const parts = line.split(HOLE).map((part) => {
    if (part === ELLIPSIS) return '.*';
    if (/^ {2,}$/.test(part)) return ' +';
    const name = /^<([a-z]+)>$/.exec(part)?.[1];
    if (name === undefined) return escaped(part);
    const value = named.get(name);
    if (value !== undefined) return escaped(value);
    if (seen.has(name)) return `\\k<${name}>`;
    seen.add(name);
    return `(?<${name}>\\S+)`;
  });
  return `${parts.join('')}\\n`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
