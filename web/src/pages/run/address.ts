/** The address of an endpoint of a run. */
export const api = (id: string, what = ""): string => `/api/runs/${encodeURIComponent(id)}${what && `/${what}`}`;
