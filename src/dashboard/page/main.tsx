/** Starts the page: takes the code out of the address, opens a session with it, and draws. */
import { render } from 'preact';
import type { ComponentChildren } from 'preact';
import { App, Over } from './app.tsx';
import { NodeError, openSession } from './mcp.ts';
import { Failure } from './parts.tsx';

const CODE = /^#[\w-]{43}$/;
const place = document.querySelector('#app');
if (place === null) throw new Error('the page has no place for what it shows');

/** Draws in place of what is there while the node has not answered yet. */
function draw(what: ComponentChildren, where: Element): void {
  where.replaceChildren();
  render(what, where);
}

const [code] = CODE.exec(location.hash) ?? [];
if (code === undefined) {
  draw(
    <Over>
      <p>It is opened by a link, which works once. The terminal makes one:</p>
    </Over>,
    place,
  );
} else {
  // Neither the address nor the history keeps the code.
  history.replaceState(undefined, '', location.pathname);
  openSession(code.slice(1)).then(
    () => draw(<App />, place),
    (error: unknown) => {
      const failure = error instanceof Error ? error : new NodeError(String(error), '');
      draw(
        <Over>
          <Failure error={failure} />
        </Over>,
        place,
      );
    },
  );
}
