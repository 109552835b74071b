/** Approvals: what waits for a person, to be answered here or in a terminal, and what was answered. */
import { useState } from 'preact/hooks';
import type { ApprovalListResult, ApprovalSummary } from '../../../builtin/results.ts';
import { Action } from '../action.tsx';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Nothing, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { ago, clock, duration } from '../words.ts';
import { Proposals } from './proposals.tsx';

const TONES: Readonly<Record<string, Tone>> = {
  pending: 'warn',
  approved: 'good',
  denied: 'bad',
};

/** What waits for an answer above, the oldest first, and what is over below. */
export function ApprovalsPage() {
  const live = useLive<ApprovalListResult>('approval_list', { all: true });
  return (
    <Answer live={live}>
      {({ approvals }) => {
        // What comes while a person reads stands below: it must not come under a hand that is about to approve.
        const waiting = approvals.filter(({ state }) => state === 'pending').toReversed();
        const over = approvals.filter(({ state }) => state !== 'pending');
        return (
          <>
            {waiting.length === 0 ? (
              <Card>
                <Nothing>Nothing waits for you.</Nothing>
              </Card>
            ) : (
              waiting.map((one) => <Waiting approval={one} onAnswer={live.refresh} key={one.id} />)
            )}
            <Proposals />
            {over.length === 0 ? undefined : (
              <Card title="Answered">
                <Table
                  label="Approvals that are over"
                  rows={over}
                  keyOf={({ id }) => id}
                  columns={[
                    { name: 'asked', cell: ({ askedAt }) => clock(askedAt) },
                    { name: 'who', cell: ({ who }) => who },
                    {
                      name: 'what',
                      cell: ({ ability, resource }) => <code>{`${ability} ${resource}`}</code>,
                    },
                    {
                      name: 'answer',
                      cell: ({ state }) => <Badge tone={TONES[state] ?? 'quiet'}>{state}</Badge>,
                    },
                    {
                      name: 'by',
                      cell: ({ answeredBy = '–', reason }) =>
                        reason === undefined ? answeredBy : `${answeredBy}: ${reason}`,
                    },
                  ]}
                />
              </Card>
            )}
          </>
        );
      }}
    </Answer>
  );
}

function Waiting({ approval, onAnswer }: { approval: ApprovalSummary; onAnswer: () => void }) {
  const { id, kind, who, ability, resource, args, rule, justification, askedAt, expiresAt } =
    approval;
  const [reason, setReason] = useState('');
  const said = reason === '' ? {} : { reason };
  return (
    <Card
      title={`${who} wants ${kind === 'permission' ? 'a right' : 'to do something'}`}
      aside={<Badge tone="warn">{duration(expiresAt - Date.now())} left</Badge>}
    >
      <Facts
        facts={[
          ['what', <code>{`${ability} ${resource}`}</code>],
          ['with', args === undefined ? undefined : <pre>{args}</pre>],
          [
            'would get',
            approval.capabilities?.map((one) => `${one.ability} ${one.resource}`).join(', '),
          ],
          ['for', approval.lifetimeMs === undefined ? undefined : duration(approval.lifetimeMs)],
          ['it says why', justification],
          ['asked because of', rule],
          ['asked', ago(askedAt)],
        ]}
      />
      <label class="field reason">
        <span>Your reason, if you give one</span>
        <input
          value={reason}
          maxLength={500}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <div class="actions">
        <Action tool="approval_answer" args={{ id, approve: true, ...said }} onDone={onAnswer}>
          Approve
        </Action>
        <Action
          tool="approval_answer"
          args={{ id, approve: false, ...said }}
          isDanger
          onDone={onAnswer}
        >
          Deny
        </Action>
        <Command line={`starling approvals approve ${id.slice(0, 8)}`} />
        <Command line={`starling approvals deny ${id.slice(0, 8)}`} />
      </div>
    </Card>
  );
}
