/** Entries of the audit log as a table: of all kinds, or calls alone with the command that makes them again. */
import type { AuditQueryResult } from '../../builtin/results.ts';
import { Badge, Command, Table } from './parts.tsx';
import type { Column, Tone } from './parts.tsx';
import { clock, latency, nameOrId, replayOf } from './words.ts';

type Entry = AuditQueryResult['entries'][number];

const TONES: Readonly<Record<string, Tone>> = {
  ok: 'good',
  allowed: 'good',
  failed: 'bad',
  denied: 'bad',
  timeout: 'bad',
  asked: 'warn',
  cancelled: 'warn',
};

/** The table; `names` are ours for dids. */
export function EntryTable({
  label,
  entries,
  names,
  onTry,
}: {
  label: string;
  entries: readonly Entry[];
  names: Readonly<Record<string, string>>;
  /** The entries are calls: each has the command that makes it again, and a button that opens its tool. */
  onTry?: (tool: string) => void;
}) {
  const nameOf = (who: string): string =>
    Object.hasOwn(names, who) ? (names[who] ?? who) : nameOrId(who);
  const columns: readonly Column<Entry>[] = [
    { name: 'when', cell: ({ at }) => <time>{clock(at)}</time> },
    {
      name: 'who',
      cell: ({ who, onBehalfOf }) =>
        onBehalfOf === undefined ? nameOf(who) : `${nameOf(who)} for ${nameOf(onBehalfOf)}`,
    },
    ...(onTry !== undefined ? [] : [{ name: 'kind', cell: ({ kind }: Entry) => kind }]),
    {
      name: 'what',
      cell: ({ what }) => (
        <code>{onTry !== undefined ? what.resource : `${what.ability} ${what.resource}`}</code>
      ),
    },
    {
      name: 'outcome',
      cell: ({ outcome }) => <Badge tone={TONES[outcome] ?? 'quiet'}>{outcome}</Badge>,
    },
    ...(onTry !== undefined
      ? [
          { name: 'took', isNumber: true, cell: ({ durationMs }: Entry) => latency(durationMs) },
          {
            name: 'again',
            cell: ({ what, args }: Entry) => (
              <Again resource={what.resource} args={args} onTry={onTry} />
            ),
          },
        ]
      : [
          {
            name: 'why',
            cell: ({ reason = '', reasoning }: Entry) =>
              reasoning === undefined ? reason : `${reason} said: ${reasoning}`,
          },
        ]),
  ];
  return <Table label={label} rows={entries} keyOf={({ seq }) => String(seq)} columns={columns} />;
}

/** The command that makes the call again, what the record does not have of it, and a button for the same with its trace. */
function Again({
  resource,
  args,
  onTry,
}: {
  resource: string;
  args: string | undefined;
  onTry: (tool: string) => void;
}) {
  const replay = replayOf(resource, args);
  if (replay === undefined) return <>–</>;
  const { line, missing, tool } = replay;
  return (
    <>
      <Command line={line} />
      {missing === undefined ? undefined : <small>{missing}</small>}
      <button type="button" class="plain" aria-label={`trace ${tool}`} onClick={() => onTry(tool)}>
        trace
      </button>
    </>
  );
}
