/**
 * JSON Schema's formats, and those that common generators write, as patterns. `common` is a part of what the format allows that everybody takes;
 * `whole` is (nearly) all of it, for where a pattern stands beside it.
 */
export interface Format {
  common: string;
  whole: string;
}

const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
// Days that every month has.
const DATE = "\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])";
const LEAP_YEAR = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const DAYS =
  "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const ANY_DATE = `(?:\\d{4}-${DAYS}|${LEAP_YEAR}-02-29)`;
const CLOCK = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d";
const OFFSET = "[+-](?:[01]\\d|2[0-3]):[0-5]\\d";
const TIME = `${CLOCK}(?:\\.\\d{1,6})?(?:Z|${OFFSET})`;
const ANY_TIME = `${CLOCK}(?:\\.\\d+)?(?:[Zz]|${OFFSET})`;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?";
const ANY_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const NAME = "[A-Za-z0-9_](?:[A-Za-z0-9_+-]{0,30}[A-Za-z0-9_])?";
const EMAIL = `${NAME}(?:\\.${NAME}){0,2}@${LABEL}(?:\\.${LABEL}){0,2}\\.[A-Za-z]{2,10}`;
const ANY_EMAIL = "[A-Za-z0-9_+-]+(?:\\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]{2,}";
const PATH = "(?:/[A-Za-z0-9._~-]{0,40}){0,8}";
const URI = `https?://${LABEL}(?:\\.${LABEL}){1,4}${PATH}`;
const URI_CHARS = "[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=%-]*";
const HEX = "[0-9A-Fa-f]{1,4}";
const SHORT_IPV6 = [1, 2, 3, 4, 5, 6].map((n) => `(?:${HEX}:){1,${7 - n}}(?::${HEX}){1,${n}}`).join("|");
const ANY_IPV6 = `(?:(?:${HEX}:){7}${HEX}|(?:${HEX}:){1,7}:|${SHORT_IPV6}|:(?:(?::${HEX}){1,7}|:))`;
const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const ANY_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
const POINTER = "(?:/(?:[^/~]|~0|~1)*)*";
const DURATION = "P(?!$)(?:\\d+Y)?(?:\\d+M)?(?:\\d+W)?(?:\\d+D)?(?:T(?=\\d)(?:\\d+H)?(?:\\d+M)?(?:\\d+S)?)?";

function format(common: string, whole = common): Format {
  return { common: `^${common}$`, whole: `^${whole}$` };
}

export const FORMATS: ReadonlyMap<string, Format> = new Map(
  Object.entries({
    date: format(DATE, ANY_DATE),
    time: format(TIME, ANY_TIME),
    "date-time": format(`${DATE}T${TIME}`, `${ANY_DATE}[Tt]${ANY_TIME}`),
    duration: format("P(?:\\d{1,4}D|\\d{1,3}W|T(?:\\d{1,4}H)?(?:\\d{1,4}M)?\\d{1,4}S)", DURATION),
    email: format(EMAIL, ANY_EMAIL),
    "idn-email": format(EMAIL, '[^\\s@"]+@[^\\s@.]+(?:\\.[^\\s@.]+)*'),
    hostname: format(`${LABEL}(?:\\.${LABEL}){0,4}`, `${ANY_LABEL}(?:\\.${ANY_LABEL})*`),
    "idn-hostname": format(`${LABEL}(?:\\.${LABEL}){0,4}`, "[^\\s./@:]+(?:\\.[^\\s./@:]+)*"),
    ipv4: format(`${BYTE}(?:\\.${BYTE}){3}`),
    ipv6: format("(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}", ANY_IPV6),
    uuid: format(UUID, ANY_UUID),
    guid: format(UUID, ANY_UUID),
    uri: format(URI, `[A-Za-z][A-Za-z0-9+.-]*:${URI_CHARS}`),
    url: format(URI, `[A-Za-z][A-Za-z0-9+.-]*:${URI_CHARS}`),
    iri: format(URI, '[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>"{}|\\\\^`]*'),
    "uri-reference": format(`(?:${URI}|${PATH})`, URI_CHARS),
    "iri-reference": format(`(?:${URI}|${PATH})`, '[^\\s<>"{}|\\\\^`]*'),
    "uri-template": format(`${URI}(?:/\\{[A-Za-z]{1,20}\\})?`, '[^\\s<>"|\\\\^`]*'),
    "json-pointer": format("(?:/[A-Za-z0-9_-]{1,30}){0,8}", POINTER),
    "relative-json-pointer": format(
      "(?:0|[1-9]\\d?)(?:#|(?:/[A-Za-z0-9_-]{1,30}){0,8})",
      `(?:0|[1-9]\\d*)(?:#|${POINTER})`,
    ),
    regex: format("\\^?[A-Za-z0-9_ ]{1,40}\\$?"),
    byte: format(BASE64),
    base64: format(BASE64),
    base64url: format("[A-Za-z0-9_-]*"),
  }),
);

/** What formats say of whole numbers, as generators for Rust, Go and OpenAPI write them. */
export const INTEGER_FORMATS: ReadonlyMap<string, readonly [min: number, max: number]> = new Map(
  [8, 16, 32, 64].flatMap((bits): [string, readonly [number, number]][] => [
    [`int${bits}`, [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]],
    [`uint${bits}`, [0, 2 ** bits - 1]],
  ]),
);
