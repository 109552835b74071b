/** Health: every lasting trouble with its remedy, and the servers of the node. */
import type { StatusResult } from '../../../builtin/results.ts';
import type { Live } from '../live.ts';
import { Answer, Badge, Card, Command, Nothing, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';

const TONES: Readonly<Record<string, Tone>> = {
  ready: 'good',
  idle: 'quiet',
  starting: 'info',
  failed: 'bad',
  stopped: 'warn',
};

/** Words in a hint that are a command of ours, to be copied. */
const COMMAND = /starling [a-z][^;,)|&$`\p{Cc}]*/u;

/** Warnings, each with its remedy, and below them the servers. `status` is what the app asks for anyway. */
export function HealthPage({ status }: { status: Live<StatusResult> }) {
  return (
    <Answer live={status}>
      {(data) => (
        <>
          <Card
            title="Warnings"
            aside={
              <Badge tone={data.warnings.length === 0 ? 'good' : 'bad'}>
                {data.warnings.length}
              </Badge>
            }
          >
            {data.warnings.length === 0 ? (
              <Nothing>Nothing is wrong that would last.</Nothing>
            ) : (
              <ul class="warnings">
                {data.warnings.map(({ code, text, hint }) => (
                  <li key={code}>
                    <p>
                      <Badge tone="bad">{code}</Badge> {text}
                    </p>
                    <Remedy hint={hint} />
                  </li>
                ))}
              </ul>
            )}
          </Card>
          <Card title="Servers">
            <Table
              label="MCP servers of this node"
              rows={data.upstreams}
              keyOf={({ server }) => server}
              columns={[
                { name: 'server', cell: ({ server }) => <b>{server}</b> },
                {
                  name: 'state',
                  cell: ({ state }) => <Badge tone={TONES[state] ?? 'quiet'}>{state}</Badge>,
                },
                { name: 'kind', cell: ({ kind }) => kind },
                { name: 'tools', isNumber: true, cell: ({ tools }) => tools },
                { name: 'process', isNumber: true, cell: ({ pid }) => pid ?? '–' },
                {
                  name: 'what is wrong',
                  cell: ({ error, hint }) =>
                    error === undefined ? (
                      '–'
                    ) : (
                      <>
                        <p>{error}</p>
                        {hint === undefined ? undefined : <Remedy hint={hint} />}
                      </>
                    ),
                },
              ]}
            />
          </Card>
        </>
      )}
    </Answer>
  );
}

/** What to do, with its command apart so that it can be copied. */
function Remedy({ hint }: { hint: string }) {
  const [command] = COMMAND.exec(hint) ?? [];
  return (
    <div class="hint">
      <p>{hint}</p>
      {command === undefined ? undefined : <Command line={command.trim()} />}
    </div>
  );
}
