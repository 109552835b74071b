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
  replays = false,
}: {
  label: string;
  entries: readonly Entry[];
  names: Readonly<Record<string, string>>;
  /** Shows the command that makes a call again. */
  replays?: boolean;
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
    ...(replays ? [] : [{ name: 'kind', cell: ({ kind }: Entry) => kind }]),
    {
      name: 'what',
      cell: ({ what }) => (
        <code>{replays ? what.resource : `${what.ability} ${what.resource}`}</code>
      ),
    },
    {
      name: 'outcome',
      cell: ({ outcome }) => <Badge tone={TONES[outcome] ?? 'quiet'}>{outcome}</Badge>,
    },
    ...(replays
      ? [
          { name: 'took', isNumber: true, cell: ({ durationMs }: Entry) => latency(durationMs) },
          {
            name: 'again',
            cell: ({ what, args }: Entry) => <Replay resource={what.resource} args={args} />,
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

/** The command that makes the call again, and where the record does not have all of it, what is missing. */
function Replay({ resource, args }: { resource: string; args: string | undefined }) {
  const replay = replayOf(resource, args);
  if (replay === undefined) return <>–</>;
  return (
    <>
      <Command line={replay.line} />
      {replay.missing === undefined ? undefined : <small>{replay.missing}</small>}
    </>
  );
}
