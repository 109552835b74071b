/** Curves and bars of the last hour, as pictures with their numbers in words. */
import { latency } from './words.ts';

const WIDTH = 600;
const HEIGHT = 120;
/** Labels of the minutes below. */
const AGO = ['60 min ago', '45', '30', '15', 'now'];

/** Bars, the failed part of each in another colour. */
export function Bars({
  label,
  values,
}: {
  label: string;
  values: readonly { readonly all: number; readonly bad: number }[];
}) {
  const most = Math.max(1, ...values.map(({ all }) => all));
  const step = WIDTH / Math.max(1, values.length);
  const sum = values.reduce((total, { all }) => total + all, 0);
  const bad = values.reduce((total, one) => total + one.bad, 0);
  return (
    <figure class="chart">
      <figcaption>
        {label} <small>at most {most} a minute</small>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: ${sum} in the last hour, ${bad} of them failed or refused`}
      >
        <Grid />
        {values.map(({ all, bad: part }, index) => {
          const [whole, failed] = [(all / most) * (HEIGHT - 6), (part / most) * (HEIGHT - 6)];
          const x = index * step + 1;
          return (
            <g key={index}>
              <rect class="bar" x={x} y={HEIGHT - whole} width={step - 2} height={whole} />
              <rect class="bar bad" x={x} y={HEIGHT - failed} width={step - 2} height={failed} />
            </g>
          );
        })}
      </svg>
      <Minutes />
    </figure>
  );
}

/** Two curves of times; a gap where there was none. */
export function Times({
  label,
  values,
}: {
  label: string;
  values: readonly { readonly p50Ms?: number | undefined; readonly p99Ms?: number | undefined }[];
}) {
  const most = Math.max(1, ...values.map(({ p99Ms = 0 }) => p99Ms));
  const half = values.map(({ p50Ms }) => p50Ms);
  const nearlyAll = values.map(({ p99Ms }) => p99Ms);
  return (
    <figure class="chart">
      <figcaption>
        {label} <small>half, and 99 of 100, of the calls; at most {latency(most)}</small>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: of the last minute with calls half took up to ${latency(lastOf(half))}, 99 of 100 up to ${latency(lastOf(nearlyAll))}`}
      >
        <Grid />
        <Curve class="p99" values={nearlyAll} most={most} />
        <Curve class="p50" values={half} most={most} />
      </svg>
      <Minutes />
    </figure>
  );
}

function Curve({
  class: name,
  values,
  most,
}: {
  class: string;
  values: readonly (number | undefined)[];
  most: number;
}) {
  const step = WIDTH / Math.max(1, values.length);
  // Times differ by powers of ten: the height is their logarithm.
  const scale = Math.log1p(most);
  let isDown = false;
  const path = values.map((value, index) => {
    if (value === undefined) {
      isDown = false;
      return '';
    }
    const x = ((index + 0.5) * step).toFixed(1);
    const y = (HEIGHT - 4 - (Math.log1p(value) / scale) * (HEIGHT - 12)).toFixed(1);
    const way = isDown ? 'L' : 'M';
    isDown = true;
    // A minute alone is a dot.
    return way === 'M' ? `M${x} ${y}h0.1` : `L${x} ${y}`;
  });
  return <path class={`curve ${name}`} d={path.join('')} />;
}

function Grid() {
  return (
    <>
      {[0.25, 0.5, 0.75, 1].map((share) => (
        <line class="grid" x1="0" x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} key={share} />
      ))}
    </>
  );
}

function Minutes() {
  return (
    <div class="minutes" aria-hidden="true">
      {AGO.map((text) => (
        <span key={text}>{text}</span>
      ))}
    </div>
  );
}

function lastOf(values: readonly (number | undefined)[]): number | undefined {
  return values.findLast((value) => value !== undefined);
}
