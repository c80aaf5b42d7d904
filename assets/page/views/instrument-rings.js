// Hollow marks below bars of a chart, which its library does not have.

const RADIUS = 5;
const DISTANCE = 14;

/** A primitive of a series, as Lightweight Charts has them. */
export class Rings {
  #bars = [];
  #colour = '';
  #chart = null;
  #series = null;
  #redraw = () => {};

  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#redraw = requestUpdate;
  }

  paint(colour) {
    this.#colour = colour;
    this.#redraw();
  }

  /** `bars` have a time and a low. */
  set(bars) {
    this.#bars = bars;
    this.#redraw();
  }

  paneViews() {
    const draw = (target) => target.useMediaCoordinateSpace(({ context }) => this.#draw(context));
    return [{ zOrder: () => 'top', renderer: () => ({ draw }) }];
  }

  #draw(context) {
    context.strokeStyle = this.#colour;
    context.lineWidth = 2;
    for (const { time, low } of this.#bars) {
      const x = this.#chart.timeScale().timeToCoordinate(time);
      const y = this.#series.priceToCoordinate(low);
      if (x === null || y === null) continue;
      context.beginPath();
      context.arc(x, y + DISTANCE, RADIUS, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
