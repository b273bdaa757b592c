/** Which series of system metrics share a chart, and in what unit. */
export interface System {
  x: number[];
  series: Record<string, (number | null)[]>;
  units: Record<string, string>;
}

export interface SystemChart {
  title: string;
  unit: string; // "percent", "bytes" or what is written after the number
  names: string[];
  label: (name: string) => string;
}

const KNOWN: readonly [RegExp, string][] = [
  [/^cpu_percent$/, "CPU (100 % is one core)"], [/^memory_bytes$/, "Memory of the run"], [/^machine_memory_percent$/, "Memory of the machine"],
  [/^(read|write)_bytes(_per_s)?$/, "Disk, read and written"], [/^disk_free_bytes$/, "Disk, free"],
  [/^gpu\d+_percent$/, "GPU"], [/^gpu\d+_memory_bytes$/, "GPU memory"], [/^gpu\d+_power_watts$/, "GPU power"], [/^gpu\d+_temperature_c$/, "GPU temperature"],
];

/** Charts in a fixed order; what is not known by name comes last, each alone. Series without a single number are left out. */
export function systemCharts({ series, units }: System): SystemChart[] {
  const names = Object.keys(series).filter((name) => series[name]!.some((one) => one !== null));
  const known = KNOWN.map(([pattern, title]) => ({ title, names: names.filter((name) => pattern.test(name)) })).filter((one) => one.names.length > 0);
  const rest = names.filter((name) => !KNOWN.some(([pattern]) => pattern.test(name))).map((name) => ({ title: name.replaceAll("_", " "), names: [name] }));
  return [...known, ...rest].map((one) => ({ ...one, unit: unit(one.names[0]!, units[one.names[0]!] ?? ""), label }));
}

function unit(name: string, given: string): string {
  if (name.endsWith("bytes")) return "bytes";
  if (name.endsWith("percent")) return "percent";
  if (name.endsWith("watts")) return "W";
  return name.endsWith("temperature_c") ? "°C" : given;
}

const label = (name: string): string => /^(gpu\d+|read|write)/.exec(name)?.[1] ?? name.replace(/_(bytes|percent)$/, "").replaceAll("_", " ");
