/** What a person needs to call one tool: its text, its arguments, and a line to start from. */
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { shellWord } from '../../../core/words/shell-word.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import type { ToolInfo } from '../../node/client.ts';
import { typesIn } from '../../options/tool-arguments.ts';
import { paint, safe, safeLine, sentence, table } from '../../terminal/output.ts';

/** The whole description, one line an argument (type, whether the tool needs it), and an example. */
export function toolHelp(tool: ToolInfo): string {
  const rows = argumentsOf(tool.inputSchema);
  const about = (tool.description ?? '').trim();
  return [
    paint.bold(safeLine(tool.name)),
    ...(about === '' ? [] : [indented(safe(about))]),
    '',
    rows.length === 0
      ? 'It takes no arguments.'
      : table(
          ['ARGUMENT', 'TYPE', 'NEEDED', 'WHAT IT IS'],
          rows.map(({ name, type, needed, about: text }) => [
            name,
            type,
            needed ? 'yes' : 'no',
            text,
          ]),
          { flexible: 3, wrap: true },
        ),
    '',
    'Example:',
    `  $ ${safeLine(exampleOf(tool.name, rows))}`,
  ].join('\n');
}

interface ArgumentRow {
  readonly name: string;
  readonly type: string;
  readonly needed: boolean;
  readonly about: string;
}

function argumentsOf(schema: JsonObject | undefined): readonly ArgumentRow[] {
  const properties = schema?.['properties'];
  if (!isObject(properties)) return [];
  const required = schema?.['required'];
  const needed = new Set(Array.isArray(required) ? required : []);
  const rows = Object.entries(properties).map(([name, property]) => ({
    name,
    type: typeText(property),
    needed: needed.has(name),
    about: textOf(property),
  }));
  return rows.toSorted((a, b) => Number(b.needed) - Number(a.needed));
}

function typeText(property: Json | undefined): string {
  const choices = isObject(property) ? property['enum'] : undefined;
  if (Array.isArray(choices) && choices.length > 0) {
    return choices
      .map((choice) => (typeof choice === 'string' ? choice : JSON.stringify(choice)))
      .join('|');
  }
  return [...typesIn(property ?? null)].join('|') || 'any';
}

function textOf(property: Json | undefined): string {
  const text = isObject(property) ? property['description'] : undefined;
  return typeof text === 'string' ? (text.trim().split('\n', 1)[0] ?? '') : '';
}

/** A line for a shell with every argument that the tool needs, and a place for each value. */
function exampleOf(name: string, rows: readonly ArgumentRow[]): string {
  const given = rows
    .filter(({ needed }) => needed)
    .map((row) => shellWord(`${row.name}${VALUES[row.type] ?? '=…'}`));
  return ['starling', 'call', shellWord(name), ...given].join(' ');
}

/** A value of each type, as `starling call` reads it. */
const VALUES: Readonly<Record<string, string>> = {
  number: '=1',
  integer: '=1',
  boolean: '=true',
  array: ':=[]',
  object: ':={}',
};

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const [lead = ''] = /^\s*/.exec(line) ?? [];
      return sentence(`  ${lead}`, line.slice(lead.length)).trimEnd();
    })
    .join('\n');
}
