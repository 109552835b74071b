/** The report, its page, and what a terminal shows meanwhile. */
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../../sim/scenario/html.ts';
import { renderRun, replayLine } from '../../../sim/scenario/report.ts';
import type { RunReport } from '../../../sim/scenario/report.ts';
import { plotsOverNodes } from '../../../sim/scenario/run.ts';

const report = (nodes: number, pass = true): RunReport => ({
  scenario: 'mine',
  about: 'Nothing <b>bold</b>.',
  engine: 'inproc',
  nodes,
  seed: 7,
  pass,
  replay: replayLine({ given: 'mine', seed: 7, engine: 'inproc', nodes }),
  notes: ['a note'],
  figures: { knownMs: nodes * 10 },
  verdicts: [{ claim: 'all know all', pass, measured: 1, limit: 2, detail: 'n1 & n2' }],
  events: [{ atMs: 1000, text: 'kill n2' }],
  plots: [
    {
      title: 'CPU',
      x: 's',
      y: '%',
      curves: [
        {
          title: 'cpu',
          points: [
            [0, 1],
            [1, 2],
          ],
        },
      ],
    },
  ],
});

describe('a report', () => {
  it('prints the line that replays a failure, with scenario, engine, nodes and seed', () => {
    const line = 'starling sim mine --engine inproc --nodes 5 --seed 7';
    expect(renderRun(report(5, false))).toContain(`FAILED; to run it again: ${line}`);
    expect(renderRun(report(5))).not.toContain('FAILED');
  });

  it('is one page that loads nothing and runs nothing, with its plots in it', () => {
    const page = renderHtml([report(5), report(10)], plotsOverNodes([report(5), report(10)]));
    expect(page).not.toMatch(/<script|<link|src=|href=|url\(|@import/);
    expect(page).toContain('<svg');
    expect(page).toContain('By number of nodes');
    expect(page).toContain('knownMs');
    expect(page).toContain('Nothing &lt;b&gt;bold&lt;/b&gt;.');
    expect(page).toContain('n1 &amp; n2');
  });

  it('has plots over the number of nodes only where there are several', () => {
    expect(plotsOverNodes([report(5), report(5)])).toEqual([]);
    const [known] = plotsOverNodes([report(10), report(5)]);
    expect(known?.curves[0]?.points).toEqual([
      [5, 50],
      [10, 100],
    ]);
  });
});
