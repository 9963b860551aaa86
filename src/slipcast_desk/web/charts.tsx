// Small charts in SVG: colors come from the style sheet, so that they follow light and dark; a table says the same.
import { scaleLinear, scaleUtc } from "d3-scale";
import { area, curveMonotoneX, line } from "d3-shape";
import { day, DAYS, moment, monthYear, percent, t } from "./i18n";
import { useSize } from "./hooks";
import type { Completion } from "./api";

const RIGHT = 12;

function Dates({ scale, top, height, count }: { scale: ReturnType<typeof scaleUtc>; top: number; height: number; count: number }) {
  return (
    <g class="axis">
      {scale.ticks(count).map((tick) => (
        <g key={+tick} transform={`translate(${scale(tick)},0)`}>
          <line y1={top} y2={height} />
          <text y={height + 14} text-anchor="middle">{monthYear(+tick)}</text>
        </g>
      ))}
    </g>
  );
}

export interface Series { name: string; class: string; points: { at: string; value: string }[] }
// Forecast dates over data dates: level lines are a forecast that holds, rising ones a project that slips.
export function Trend({ series, baseline, label }: { series: Series[]; baseline?: string | null; label: string }) {
  const [box, width] = useSize<HTMLDivElement>();
  const height = 190;
  const left = 74;
  const all = series.flatMap((item) => item.points);
  if (all.length === 0) return <p class="muted">{t("trend.none")}</p>;
  const dates = all.map((point) => moment(point.at));
  const values = [...all.map((point) => moment(point.value)), ...(baseline ? [moment(baseline)] : [])];
  const pad = Math.max((Math.max(...values) - Math.min(...values)) * 0.12, 15 * DAYS);
  const x = scaleUtc([Math.min(...dates), Math.max(...dates, Math.min(...dates) + 30 * DAYS)], [left + 8, Math.max(width - 44, left + 40)]);
  const y = scaleUtc([Math.min(...values) - pad, Math.max(...values) + pad], [height - 24, 10]);
  return (
    <figure class="chart" ref={box}>
      <svg role="img" aria-label={label} width={width} height={height}>
        <g class="axis">
          {y.ticks(4).map((tick) => (
            <g key={+tick} transform={`translate(0,${y(tick)})`}>
              <line x1={left} x2={width - RIGHT} />
              <text x={left - 6} dy="0.32em" text-anchor="end">{monthYear(+tick)}</text>
            </g>
          ))}
          {[...new Set(dates)].map((date) => <text key={date} x={x(date)} y={height - 6} text-anchor="middle">{monthYear(date)}</text>)}
        </g>
        {baseline && (
          <g class="baseline">
            <line x1={left} x2={width - RIGHT} y1={y(moment(baseline))} y2={y(moment(baseline))} />
            <text x={left + 4} y={y(moment(baseline)) - 4}>{t("baseline")}</text>
          </g>
        )}
        {series.map((item) => (
          <g key={item.name} class={item.class}>
            <path d={line<{ at: string; value: string }>((point) => x(moment(point.at)), (point) => y(moment(point.value)))(item.points)!} />
            {item.points.map((point) => (
              <circle key={point.at} cx={x(moment(point.at))} cy={y(moment(point.value))} r="3.5"><title>{`${item.name}, ${day(point.at)}: ${day(point.value)}`}</title></circle>
            ))}
            {item.points.length > 0 && <text x={x(moment(item.points.at(-1)!.at)) + 8} y={y(moment(item.points.at(-1)!.value))} dy={item.class === "p80" ? "-0.1em" : "0.8em"}>{item.name}</text>}
          </g>
        ))}
      </svg>
      <details>
        <summary>{t("as.table")}</summary>
        <table>
          <thead><tr><th scope="col">{t("data.date")}</th>{series.map((item) => <th key={item.name} scope="col">{item.name}</th>)}</tr></thead>
          <tbody>
            {[...new Set(all.map((point) => point.at))].map((at) => (
              <tr key={at}><th scope="row">{day(at)}</th>{series.map((item) => <td key={item.name}>{day(item.points.find((point) => point.at === at)?.value)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

// The probability that an activity is finished by a day, with its baseline.
export function Distribution({ points, marks, label }: {
  points: { date: string; probability: number }[]; marks: { at: string | null; name: string; class: string }[]; label: string;
}) {
  const [box, width] = useSize<HTMLDivElement>();
  const height = 200;
  const left = 44;
  const shown = marks.filter((mark) => mark.at) as { at: string; name: string; class: string }[];
  // The last per cent may lie years away.
  const end = points.findIndex((point) => point.probability >= 0.99) + 1;
  const drawn = end > 1 ? points.slice(0, end) : points;
  const dates = [...drawn.map((point) => moment(point.date)), ...shown.map((mark) => moment(mark.at))];
  const pad = Math.max((Math.max(...dates) - Math.min(...dates)) * 0.06, 2 * DAYS);
  const x = scaleUtc([Math.min(...dates) - pad, Math.max(...dates) + pad], [left, Math.max(width - RIGHT, left + 40)]);
  const y = scaleLinear([0, 1], [height - 26, 16]);
  const at = (point: { date: string }) => x(moment(point.date));
  return (
    <figure class="chart" ref={box}>
      <svg role="img" aria-label={label} width={width} height={height}>
        <g class="axis">
          {[0, 0.5, 0.8, 1].map((tick) => (
            <g key={tick} transform={`translate(0,${y(tick)})`}>
              <line x1={left} x2={width - RIGHT} />
              <text x={left - 6} dy="0.32em" text-anchor="end">{percent(tick)}</text>
            </g>
          ))}
        </g>
        <Dates scale={x} top={16} height={height - 26} count={Math.max(2, Math.floor(width / 120))} />
        <path class="under" d={area<{ date: string; probability: number }>().x(at).y0(y(0)).y1((point) => y(point.probability)).curve(curveMonotoneX)(drawn)!} />
        <path class="over" d={line<{ date: string; probability: number }>(at, (point) => y(point.probability)).curve(curveMonotoneX)(drawn)!} />
        {shown.map((mark) => (
          <g key={mark.name} class={`mark ${mark.class}`}>
            <line x1={x(moment(mark.at))} x2={x(moment(mark.at))} y1={y(1)} y2={y(0)} />
          </g>
        ))}
      </svg>
      <ul class="legend">
        {shown.map((mark) => <li key={mark.name}><svg class={`mark ${mark.class}`} width="12" height="12" aria-hidden="true"><line x1="6" x2="6" y1="0" y2="12" /></svg> {mark.name} {day(mark.at)}</li>)}
      </ul>
      <details>
        <summary>{t("as.table")}</summary>
        <table>
          <thead><tr><th scope="col">{t("finished.by")}</th><th scope="col" class="n">{t("probability")}</th></tr></thead>
          <tbody>{points.map((point) => <tr key={point.date + point.probability}><th scope="row">{day(point.date)}</th><td class="n">{percent(point.probability)}</td></tr>)}</tbody>
        </table>
      </details>
    </figure>
  );
}

export interface Point { said: number; held: number; low?: number | null; high?: number | null; n?: number | null }
export interface Judged { name: string; class: string; points: Point[] }
// What was said against what happened: on the diagonal 80 % are 80 %. Bars are 95 % intervals.
export function Calibration({ series, label }: { series: Judged[]; label: string }) {
  const [box, width] = useSize<HTMLDivElement>();
  const size = Math.min(Math.max(width, 240), 440);
  const scale = { x: scaleLinear([0, 1], [56, size - RIGHT]), y: scaleLinear([0, 1], [size - 42, 10]) };
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <figure class="chart" ref={box}>
      <svg role="img" aria-label={label} width={size} height={size}>
        <g class="axis">
          {ticks.map((tick) => (
            <g key={tick}>
              <line x1={scale.x(0)} x2={scale.x(1)} y1={scale.y(tick)} y2={scale.y(tick)} />
              <line y1={scale.y(0)} y2={scale.y(1)} x1={scale.x(tick)} x2={scale.x(tick)} />
              <text x={scale.x(0) - 6} y={scale.y(tick)} dy="0.32em" text-anchor="end">{percent(tick)}</text>
              <text x={scale.x(tick)} y={scale.y(0) + 16} text-anchor="middle">{percent(tick)}</text>
            </g>
          ))}
          <text x={scale.x(0.5)} y={size - 6} text-anchor="middle">{t("calibration.said")}</text>
          <text transform={`translate(9,${scale.y(0.5)}) rotate(-90)`} text-anchor="middle">{t("calibration.held")}</text>
        </g>
        <g class="baseline"><line x1={scale.x(0)} y1={scale.y(0)} x2={scale.x(1)} y2={scale.y(1)} /></g>
        {series.map((item) => (
          <g key={item.name} class={item.class}>
            <path d={line<Point>((point) => scale.x(point.said), (point) => scale.y(point.held))(item.points)!} />
            {item.points.map((point) => (
              <g key={point.said}>
                {point.low != null && point.high != null && <line class="whisker" x1={scale.x(point.said)} x2={scale.x(point.said)} y1={scale.y(point.low)} y2={scale.y(point.high)} />}
                <circle cx={scale.x(point.said)} cy={scale.y(point.held)} r="4"><title>{`${item.name}: ${percent(point.said)} → ${percent(point.held)}`}</title></circle>
              </g>
            ))}
          </g>
        ))}
      </svg>
      <p class="legend">{series.map((item) => <span key={item.name} class="entry"><i class={`key dot ${item.class}`} aria-hidden="true" />{item.name}</span>)}</p>
      <details>
        <summary>{t("as.table")}</summary>
        <table>
          <thead><tr><th scope="col">{t("calibration.what")}</th><th scope="col" class="n">{t("calibration.said")}</th><th scope="col" class="n">{t("calibration.held")}</th><th scope="col" class="n">{t("calibration.n")}</th></tr></thead>
          <tbody>{series.flatMap((item) => item.points.map((point) => <tr key={item.name + point.said}><th scope="row">{item.name}</th><td class="n">{percent(point.said)}</td><td class="n">{percent(point.held)}</td><td class="n">{point.n ?? "–"}</td></tr>))}</tbody>
        </table>
      </details>
    </figure>
  );
}

// P50 to P90 of a completion against its baseline, on a scale that all rows of a table share.
export function Range({ completion, from, to }: { completion: Completion; from: number; to: number }) {
  const x = scaleLinear([from, to], [3, 97]).clamp(true);
  const place = (iso: string | null | undefined) => (iso ? x(moment(iso)) : null);
  const [baseline, p50, p80, p90] = [completion.baseline, completion.p50, completion.p80, completion.p90].map(place);
  const late = completion.baseline && completion.p80 && completion.p80 > completion.baseline;
  return (
    <svg class={`range ${late ? "late" : "fine"}`} viewBox="0 0 100 18" preserveAspectRatio="none" aria-hidden="true">
      <line class="rail" x1="0" x2="100" y1="9" y2="9" />
      {p50 != null && p90 != null && <rect class="wide" x={p50} y="6" width={Math.max(p90 - p50, 1)} height="6" />}
      {p50 != null && p80 != null && <rect class="narrow" x={p50} y="6" width={Math.max(p80 - p50, 0.8)} height="6" />}
      {baseline != null && <line class="base" x1={baseline} x2={baseline} y1="1" y2="17" />}
    </svg>
  );
}

export function Spark({ points, label }: { points: { data_date: string; p80: string }[]; label: string }) {
  if (points.length < 2) return <span class="muted">–</span>;
  const x = scaleLinear([moment(points[0]!.data_date), moment(points.at(-1)!.data_date)], [3, 77]);
  const values = points.map((point) => moment(point.p80));
  const y = scaleLinear([Math.min(...values), Math.max(...values, Math.min(...values) + 20 * DAYS)], [21, 4]);
  return (
    <svg class="spark" width="80" height="24" role="img" aria-label={label}>
      <path d={line<{ data_date: string; p80: string }>((point) => x(moment(point.data_date)), (point) => y(moment(point.p80)))(points)!} />
      <circle cx={x(moment(points.at(-1)!.data_date))} cy={y(values.at(-1)!)} r="2.6" />
    </svg>
  );
}
