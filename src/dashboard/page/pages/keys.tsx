/** API keys and secrets, by their names: what opens something is shown nowhere, and made and ended in a terminal alone. */
import type { KeyListResult, SecretListResult } from '../../../builtin/results.ts';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Nothing, Table } from '../parts.tsx';
import { ago, duration } from '../words.ts';

const LOOK_MS = 10_000;

/** The keys of programs that come in over HTTP. */
export function Keys() {
  const live = useLive<KeyListResult>('key_list', {}, LOOK_MS);
  return (
    <Card title="API keys" aside={<Command line="starling key list" />}>
      <Answer live={live}>
        {({ keys }) =>
          keys.length === 0 ? (
            <Nothing command="starling key create <name> --scope 'tool:<server>/*'">
              No program has a key of its own.
            </Nothing>
          ) : (
            <Table
              label="API keys"
              rows={keys}
              keyOf={({ id }) => id}
              columns={[
                { name: 'key', cell: ({ name }) => <b>{name}</b> },
                {
                  name: 'state',
                  cell: ({ state }) => (
                    <Badge tone={state === 'valid' ? 'good' : 'quiet'}>{state}</Badge>
                  ),
                },
                { name: 'opens', cell: ({ scopes }) => <code>{scopes.join(', ')}</code> },
                {
                  name: 'ends',
                  cell: ({ expiresAt, state }) =>
                    expiresAt === undefined || state !== 'valid'
                      ? '–'
                      : `in ${duration(expiresAt - Date.now())}`,
                },
                { name: 'used', isNumber: true, cell: ({ lastUsedAt = 0 }) => ago(lastUsedAt) },
              ]}
            />
          )
        }
      </Answer>
    </Card>
  );
}

/** The secrets of servers and providers, and those that are lacking. */
export function Secrets() {
  const live = useLive<SecretListResult>('secret_list', {}, LOOK_MS);
  return (
    <Card title="Secrets" aside={<Command line="starling secret list" />}>
      <Answer live={live}>
        {({ secrets }) =>
          secrets.length === 0 ? (
            <Nothing command="starling secret set <NAME>">No secret is kept here.</Nothing>
          ) : (
            <Table
              label="Secrets"
              rows={secrets}
              keyOf={({ name }) => name}
              columns={[
                { name: 'secret', cell: ({ name }) => <b>{name}</b> },
                {
                  name: 'set',
                  cell: ({ setAt }) =>
                    setAt === undefined ? <Badge tone="bad">not set</Badge> : ago(setAt),
                },
                { name: 'used by', cell: ({ usedBy }) => usedBy.join(', ') || '–' },
              ]}
            />
          )
        }
      </Answer>
    </Card>
  );
}
