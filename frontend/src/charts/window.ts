// The sliding window of one chart: aligned columns of numbers that grow at one end and fall off at the other.
// The buffers are twice the window, so a tick appends in place and a copy happens once a window, not once a tick.

export type Column = Float64Array | (number | null)[];

export class SlidingWindow {
  private times: Float64Array;
  private columns: Float64Array[];
  private start = 0;
  private end = 0;

  /** Room for `lines` columns; it grows when more instants are loaded or kept than `room`. */
  constructor(lines: number, room = 256) {
    this.times = new Float64Array(room * 2);
    this.columns = Array.from({ length: lines }, () => new Float64Array(room * 2));
  }

  get length(): number {
    return this.end - this.start;
  }

  /** The newest instant, ms; 0 when empty. */
  get last(): number {
    return this.length === 0 ? 0 : (this.times[this.end - 1] ?? 0);
  }

  /** Append one instant; one that is not newer than the last is dropped, so a repeated tick is harmless. */
  push(at: number, values: (number | null | undefined)[]): boolean {
    if (this.length > 0 && at <= this.last) return false;
    if (this.end === this.times.length) this.makeRoom();
    this.times[this.end] = at;
    this.columns.forEach((column, line) => {
      column[this.end] = values[line] ?? Number.NaN;
    });
    this.end += 1;
    return true;
  }

  /** Let go of everything before `from`, ms. */
  trim(from: number): void {
    while (this.start < this.end && (this.times[this.start] ?? 0) < from) this.start += 1;
  }

  /** The instants, ms, as a view: good until the next push. */
  instants(): Float64Array {
    return this.times.subarray(this.start, this.end);
  }

  /** One column as uPlot takes it: a view when it is whole; with gaps a copy, for uPlot sees a gap only in null. */
  column(line: number): Column {
    const view = this.columns[line]?.subarray(this.start, this.end) ?? new Float64Array(0);
    return view.some(Number.isNaN) ? Array.from(view, (value) => (Number.isNaN(value) ? null : value)) : view;
  }

  /** The value of a line at an index of the window; a negative index counts from the end. */
  at(line: number, index: number): number | null {
    const place = index < 0 ? this.end + index : this.start + index;
    if (place < this.start || place >= this.end) return null;
    const value = this.columns[line]?.[place];
    return value === undefined || Number.isNaN(value) ? null : value;
  }

  /** The greatest value of some columns; 0 when there is none. */
  greatest(lines: number[]): number {
    let most = 0;
    for (const line of lines) {
      const column = this.columns[line] ?? [];
      for (let place = this.start; place < this.end; place += 1) {
        const value = column[place] ?? 0;
        if (value > most) most = value;
      }
    }
    return most;
  }

  private makeRoom(): void {
    const kept = this.length;
    const room = kept > this.times.length / 2 ? this.times.length * 2 : this.times.length;
    const moved = (old: Float64Array) => {
      if (room === old.length) {
        old.copyWithin(0, this.start, this.end);
        return old;
      }
      const grown = new Float64Array(room);
      grown.set(old.subarray(this.start, this.end));
      return grown;
    };
    this.times = moved(this.times);
    this.columns = this.columns.map(moved);
    this.start = 0;
    this.end = kept;
  }
}
