/** Sentences of an administrator, and the grant that each means. */

/** One sentence; fields that the grant has besides are wrong. */
interface Meant {
  readonly text: string;
  readonly grant: Readonly<Record<string, unknown>>;
}

const OPENINGS = [
  'let laptop',
  'I want the laptop to be able to',
  'please allow laptop to',
] as const;
const DOINGS = [
  { text: 'read files with read_file', grant: { tools: ['functions/read_file'] } },
  { text: 'write files with write_file', grant: { tools: ['functions/write_file'] } },
  { text: 'use the search tool', grant: { tools: ['functions/search'] } },
  {
    text: 'read and write files',
    grant: { tools: ['functions/read_file', 'functions/write_file'] },
  },
  { text: 'use everything of the server functions', grant: { servers: ['functions'] } },
] as const;
const BOUNDS = [
  { text: '', grant: {} },
  { text: ', five times at most', grant: { uses: 5 } },
  { text: ', but a person must agree to each call', grant: { approval: 'required' } },
  {
    text: ', only from nine to five, UTC',
    grant: { hours: { from: '09:00', to: '17:00', zone: 'UTC' } },
  },
] as const;

/** Sixty of them. */
export const PROPOSALS: readonly Meant[] = OPENINGS.flatMap((opening) =>
  DOINGS.flatMap((doing) =>
    BOUNDS.map((bound) => ({
      text: `${opening} ${doing.text}${bound.text}`,
      grant: { peer: 'laptop', ...doing.grant, ...bound.grant },
    })),
  ),
);

/** Whether a proposal says the same: lists in any order, and everything of a server by either of its words. */
export function isProposed(made: object, meant: Meant['grant']): boolean {
  return JSON.stringify(plain(made)) === JSON.stringify(plain(meant));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain).toSorted();
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (Array.isArray(inner) && inner.length === 0) return [];
    if (key === 'tools' && JSON.stringify(inner) === '["functions/*"]') {
      return [['servers', ['functions']]];
    }
    return [[key, plain(inner)]];
  });
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
