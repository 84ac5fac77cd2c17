/** JSON Schema's formats as patterns. Each is a part of what the format allows: what is written is always valid. */
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
// Days that every month has.
const DATE = "\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])";
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?";
const NAME = "[A-Za-z0-9_](?:[A-Za-z0-9_+-]{0,30}[A-Za-z0-9_])?";

export const FORMATS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    date: DATE,
    time: TIME,
    "date-time": `${DATE}T${TIME}`,
    duration: "P(?:\\d{1,4}D|\\d{1,3}W|T(?:\\d{1,4}H)?(?:\\d{1,4}M)?\\d{1,4}S)",
    email: `${NAME}(?:\\.${NAME}){0,2}@${LABEL}(?:\\.${LABEL}){0,2}\\.[A-Za-z]{2,10}`,
    hostname: `${LABEL}(?:\\.${LABEL}){0,4}`,
    ipv4: `${BYTE}(?:\\.${BYTE}){3}`,
    uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    uri: `https?://${LABEL}(?:\\.${LABEL}){1,4}(?:/[A-Za-z0-9._~-]{0,40}){0,8}`,
  }).map(([name, pattern]) => [name, `^${pattern}$`]),
);
