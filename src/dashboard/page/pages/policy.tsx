/** The policy in force, and what it says of one thing that somebody may want; it is changed in its file alone. */
import { useState } from 'preact/hooks';
import type { PolicyExplainResult, PolicyShowResult } from '../../../builtin/results.ts';
import { noteFailure, useLive } from '../live.ts';
import { ask } from '../mcp.ts';
import { Answer, Badge, Card, Command, Failure, Nothing, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { shellWord } from '../words.ts';

const LOOK_MS = 10_000;
/** The rest is a press away: the shipped part is long, and nobody has written it here. */
const SHOWN_MAX = 200;
const ANSWERS: Readonly<Record<PolicyExplainResult['answer'], readonly [Tone, string]>> = {
  yes: ['good', 'yes'],
  no: ['bad', 'no'],
  ask: ['warn', 'only once a person has approved it'],
};
const STEPS: Readonly<Record<string, Tone>> = { allow: 'good', deny: 'bad', ask: 'warn' };

/** Says whether somebody may do something, and by which rules. */
export function WhoMay() {
  const [who, setWho] = useState('');
  const [what, setWhat] = useState('');
  const [said, setSaid] = useState<PolicyExplainResult>();
  const [error, setError] = useState<Error>();
  const asks = async (event: Event): Promise<void> => {
    event.preventDefault();
    setSaid(undefined);
    setError(undefined);
    try {
      setSaid(await ask<PolicyExplainResult>('policy_explain', { as: who, on: what }));
    } catch (failure) {
      noteFailure(failure);
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
  };
  return (
    <Card title="Who may do what">
      <form
        onSubmit={(event) => {
          asks(event).catch(reportError);
        }}
      >
        <div class="filters">
          <label class="field">
            <span>who</span>
            <input
              required
              maxLength={256}
              placeholder="a peer, or client:cursor"
              value={who}
              onInput={(event) => setWho(event.currentTarget.value)}
            />
          </label>
          <label class="field">
            <span>what</span>
            <input
              required
              maxLength={512}
              placeholder="files/read_file"
              value={what}
              onInput={(event) => setWhat(event.currentTarget.value)}
            />
          </label>
        </div>
        <div class="actions">
          <button type="submit">May they?</button>
          <Command
            line={`starling policy explain --as ${shellWord(who || '<who>')} --on ${shellWord(what || '<what>')}`}
          />
        </div>
      </form>
      <div role="status">
        {error === undefined ? undefined : <Failure error={error} />}
        {said === undefined ? undefined : <Said said={said} />}
      </div>
    </Card>
  );
}

function Said({
  said: { answer, who, ability, resource, steps, reason, hint },
}: {
  said: PolicyExplainResult;
}) {
  const [tone, word] = ANSWERS[answer] ?? ['quiet', answer];
  return (
    <>
      <h3>
        <Badge tone={tone}>{word}</Badge> {who}, {ability} on {resource}
      </h3>
      <ul class="plain-list">
        {steps.map(({ outcome, rule, text }, index) => (
          <li key={`${rule}${index}`}>
            <Badge tone={STEPS[outcome] ?? 'quiet'}>{outcome}</Badge> <b>{rule}</b> {text}
          </li>
        ))}
      </ul>
      {reason === undefined ? undefined : <p>{reason}</p>}
      {hint === undefined ? undefined : <p class="hint">{hint}</p>}
    </>
  );
}

/** What is in force, key by key. */
export function Policy() {
  const live = useLive<PolicyShowResult>('policy_show', {}, LOOK_MS);
  return (
    <Card title="Policy in force" aside={<Command line="starling policy show" />}>
      <Answer live={live}>
        {({ file, rules, total }) => {
          const own = rules.filter(({ isShipped }) => !isShipped);
          return (
            <>
              {own.length === 0 ? (
                <Nothing>The shipped policy is in force: {file} adds nothing to it.</Nothing>
              ) : (
                <Rules label="What the policy file says" rules={own.slice(0, SHOWN_MAX)} />
              )}
              <p class="hint">
                {own.length} of {total} rules are of {file}, where the policy is changed.
              </p>
              <details>
                <summary>the shipped rest</summary>
                <Rules
                  label="What the shipped policy says"
                  rules={rules.filter(({ isShipped }) => isShipped).slice(0, SHOWN_MAX)}
                />
              </details>
            </>
          );
        }}
      </Answer>
    </Card>
  );
}

function Rules({ label, rules }: { label: string; rules: PolicyShowResult['rules'] }) {
  return (
    <Table
      label={label}
      rows={rules}
      keyOf={({ key }) => key}
      columns={[
        { name: 'rule', cell: ({ key }) => <code>{key}</code> },
        { name: 'says', cell: ({ value }) => <code>{value}</code> },
      ]}
    />
  );
}
