/** The small pieces that all pages are made of. Texts come as text nodes, whoever wrote them. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Live } from './live.ts';
import { NodeError } from './mcp.ts';

/** What colours mean; each comes with a word, too. */
export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'info';

/** A word in a coloured field. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** A framed part of a page. */
export function Card({
  title,
  aside,
  children,
}: {
  title?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="card">
      {title === undefined ? undefined : (
        <header>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

/** A number with what it is of. */
export function Figure({
  label,
  value,
  detail,
  tone,
}: {
  label: string;
  value: ComponentChildren;
  detail?: ComponentChildren;
  tone?: Tone;
}) {
  return (
    <div class={`figure ${tone ?? ''}`}>
      <dt>{label}</dt>
      <dd>
        <b>{value}</b>
        {detail === undefined ? undefined : <small>{detail}</small>}
      </dd>
    </div>
  );
}

/** The command of the terminal that does the same, with a button that copies it. */
export function Command({ line }: { line: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    navigator.clipboard.writeText(line).then(
      () => setCopied(true),
      () => undefined,
    );
  };
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return (
    <span class="command">
      <code>{line}</code>
      <button type="button" class="plain" onClick={copy} aria-label={`copy: ${line}`}>
        {isCopied ? 'copied' : 'copy'}
      </button>
    </span>
  );
}

/** A table that a narrow screen shows as cards: each cell knows its column. */
export function Table<T>({
  label,
  columns,
  rows,
  keyOf,
}: {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T, index: number) => string;
}) {
  return (
    <table aria-label={label}>
      <thead>
        <tr>
          {columns.map(({ name, isNumber }) => (
            <th scope="col" class={isNumber === true ? 'number' : ''} key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          <tr key={keyOf(row, index)}>
            {columns.map(({ name, isNumber, cell }) => (
              <td data-column={name} class={isNumber === true ? 'number' : ''} key={name}>
                <div>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** One column of a table. */
export interface Column<T> {
  readonly name: string;
  readonly isNumber?: boolean;
  readonly cell: (row: T) => ComponentChildren;
}

/** What is said where there is nothing, and how to have something. */
export function Nothing({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <div class="nothing">
      <p>{children}</p>
      {command === undefined ? undefined : <Command line={command} />}
    </div>
  );
}

/** An error as the node said it, with what to do. */
export function Failure({ error }: { error: Error }) {
  const hint = error instanceof NodeError ? error.hint : undefined;
  return (
    <div class="failure" role="alert">
      <p>{error.message}</p>
      {hint === undefined ? undefined : <p class="hint">{hint}</p>}
    </div>
  );
}

/** Shows an answer once there is one. */
export function Answer<T>({
  live,
  children,
}: {
  live: Live<T>;
  children: (data: T) => ComponentChildren;
}) {
  if (live.data !== undefined) return <>{children(live.data)}</>;
  if (live.error !== undefined) return <Failure error={live.error} />;
  return <p class="loading">asking the node …</p>;
}

/** A part beside the page that is about one thing; Escape closes it, and focus goes back. */
export function Panel({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const place = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    place.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={place} class="panel" aria-label={title} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="plain" onClick={() => place.current?.close()}>
          close
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** A list of labels and what they stand for. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== '')
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** How full something is. */
export function Meter({
  label,
  parts,
}: {
  label: string;
  parts: readonly { readonly share: number; readonly tone: Tone }[];
}) {
  let at = 0;
  return (
    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="track" width="100" height="6" />
      {parts.map(({ share, tone }) => {
        const width = Math.max(0, Math.min(100 - at, share * 100));
        const x = at;
        at += width;
        return <rect class={tone} x={x} width={width} height="6" key={`${tone}${x}`} />;
      })}
    </svg>
  );
}
