/** Grants: who may do what here, and this node elsewhere; the chain that each stands on; keys, secrets and the policy. */
import { useState } from 'preact/hooks';
import type {
  GrantListResult,
  GrantShowResult,
  GrantSummary,
  StatusResult,
} from '../../../builtin/results.ts';
import { useLive } from '../live.ts';
import type { Live } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { clock, duration, nameOrId, shortId } from '../words.ts';
import { Keys, Secrets } from './keys.tsx';
import { Policy, WhoMay } from './policy.tsx';

const TONES: Readonly<Record<string, Tone>> = { valid: 'good', expired: 'quiet', revoked: 'bad' };

/** The page: what can be changed of all this is changed in the terminal. */
export function GrantsPage({ status }: { status: Live<StatusResult> }) {
  return (
    <>
      <Grants status={status} />
      <WhoMay />
      <Keys />
      <Secrets />
      <Policy />
    </>
  );
}

function Grants({ status }: { status: Live<StatusResult> }) {
  const live = useLive<GrantListResult>('grant_list', {}, 4000);
  const [shown, setShown] = useState<string>();
  return (
    <Answer live={live}>
      {({ grants }) => (
        <>
          <Direction
            title="What others may do here"
            grants={grants.filter(({ direction }) => direction === 'issued')}
            command="starling grant create <peer> --tool '<server>/*'"
            self={status.data?.did}
            onShow={setShown}
          />
          <Direction
            title="What this node may do elsewhere"
            grants={grants.filter(({ direction }) => direction === 'received')}
            command="starling request <peer> <server>"
            self={status.data?.did}
            onShow={setShown}
          />
          {shown === undefined ? undefined : (
            <Panel title={`Grant ${shortId(shown)}`} onClose={() => setShown(undefined)}>
              <GrantCard id={shown} />
            </Panel>
          )}
        </>
      )}
    </Answer>
  );
}

function Direction({
  title,
  grants,
  command,
  self,
  onShow,
}: {
  title: string;
  grants: readonly GrantSummary[];
  command: string;
  /** The did of this node. */
  self: string | undefined;
  onShow: (id: string) => void;
}) {
  return (
    <Card title={title}>
      {grants.length === 0 ? (
        <Nothing command={command}>Nothing was granted.</Nothing>
      ) : (
        <Table
          label={title}
          rows={grants}
          keyOf={({ id, board }) => `${id}${board ?? ''}`}
          columns={[
            {
              name: 'with',
              cell: ({ did, with: who }) => <b>{did === self ? 'this node' : nameOrId(who)}</b>,
            },
            {
              name: 'may',
              cell: ({ board, capabilities }) => (
                <>
                  {board === undefined ? undefined : <span>board {board}: </span>}
                  {capabilities.map(({ ability, resource }) => (
                    <div key={`${ability}${resource}`}>
                      <code>{`${ability} ${resource}`}</code>
                    </div>
                  ))}
                </>
              ),
            },
            {
              name: 'state',
              cell: ({ state }) => <Badge tone={TONES[state] ?? 'quiet'}>{state}</Badge>,
            },
            {
              name: 'ends',
              cell: ({ board, renewed, expiresAt, state }) => {
                if (renewed) return 'renewed until revoked';
                if (state !== 'valid') return clock(expiresAt);
                return board === undefined
                  ? `in ${duration(expiresAt - Date.now())}`
                  : 'when it is revoked';
              },
            },
            {
              name: 'grant',
              cell: ({ id }) => (
                <button type="button" class="link" onClick={() => onShow(id)}>
                  {shortId(id)}
                </button>
              ),
            },
          ]}
        />
      )}
    </Card>
  );
}

function GrantCard({ id }: { id: string }) {
  const live = useLive<GrantShowResult>('grant_show', { id }, 0);
  return (
    <Answer live={live}>
      {({ valid, reason, links, names, owner, holder }) => {
        const nameOf = (did: string): string => names[did] ?? shortId(did);
        return (
          <>
            <Facts
              facts={[
                ['holds', <Badge tone={valid ? 'good' : 'bad'}>{valid ? 'yes' : 'no'}</Badge>],
                ['why not', reason],
                ['owner of the thing', nameOf(owner)],
                ['holder', nameOf(holder)],
              ]}
            />
            <h3>What it stands on, the owner first</h3>
            <ol class="chain">
              {links.toReversed().map((link) => (
                <li key={link.hash}>
                  <p>
                    <b>{nameOf(link.issuer)}</b> → <b>{nameOf(link.audience)}</b>{' '}
                    <small>until {clock(link.endsAt)}</small>
                  </p>
                  {link.allows.map((text) => (
                    <code key={text}>{text}</code>
                  ))}
                  {link.narrows.map((text) => (
                    <small key={text}>{text}</small>
                  ))}
                </li>
              ))}
            </ol>
            <Command line={`starling grant show ${id.slice(0, 8)}`} />
            <p class="hint">Rights are changed in the terminal:</p>
            <Command line={`starling grant revoke ${id.slice(0, 8)}`} />
          </>
        );
      }}
    </Answer>
  );
}
