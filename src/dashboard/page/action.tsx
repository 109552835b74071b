/** A button that does something at the node, with the command that does the same; what came of it is said beside it. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { noteFailure } from './live.ts';
import { ask } from './mcp.ts';
import type { Data } from './mcp.ts';
import { Failure } from './parts.tsx';

/** The button. */
export function Action({
  tool,
  args,
  isDanger,
  question,
  onDone,
  children,
}: {
  tool: string;
  args: Data;
  isDanger?: boolean;
  /** Asked before; absent: it is done at once. */
  question?: string;
  onDone?: () => void;
  children: ComponentChildren;
}) {
  const [state, setState] = useState<'idle' | 'asked' | 'busy' | 'done'>('idle');
  const [error, setError] = useState<Error>();
  const run = async (): Promise<void> => {
    if (question !== undefined && state !== 'asked') return setState('asked');
    setState('busy');
    setError(undefined);
    try {
      await ask(tool, args);
      setState('done');
      onDone?.();
    } catch (failure) {
      setState('idle');
      noteFailure(failure);
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
  };
  return (
    <>
      <button
        type="button"
        class={isDanger === true ? 'danger' : ''}
        disabled={state === 'busy' || state === 'done'}
        onClick={() => {
          run().catch(reportError);
        }}
      >
        {state === 'asked' ? question : state === 'done' ? 'done' : children}
      </button>
      {error === undefined ? undefined : <Failure error={error} />}
    </>
  );
}
