/** Things that can be counted, with what they are kept in: nouns, and nouns with a colour, a size or a material. */
import type { Random } from "../../../base/index.ts";
import { hashShare } from "../../cleaning/hash-share.ts";
import { type Making, oneIn, pick } from "../exercise.ts";

export interface Thing {
  one: string;
  many: string;
}

/** A noun whose plural is not made by rule stands as "one/many". */
const NOUNS =
  "acorn almond apple apricot arrow axe badge bagel ball balloon banana band/bands basket/baskets bead bean beetle bell belt bench/benches berry/berries biscuit blanket block boat bolt bone book boot bottle bow bowl box/boxes bracelet branch/branches brick broom brush/brushes bucket bun bush/bushes butterfly/butterflies button cabbage cake camera candle candy/candies cap car card carrot cart cat chair chart cheese/cheeses cherry/cherries chestnut chick chicken chip clock cloud coat coin comb comic cookie cork cow crab crayon crow cup cupcake curtain cushion daisy/daisies diary/diaries dish/dishes dog doll donut door dress/dresses drum duck egg envelope eraser feather fern fig figurine fish/fish flag flower flute folder fork fossil fox/foxes frame frog fruit/fruits game gem giraffe glass/glasses glove goat goose/geese grape guitar hammer hat hen hook horse igloo insect jar/jars jewel jug key kite kitten knife/knives ladder lamp lantern leaf/leaves lemon letter lily/lilies lime lizard log lollipop magazine magnet map marble mask mat medal melon mirror mitten mouse/mice muffin mug mushroom nail necklace needle nest net notebook nut olive onion orange orchid ornament oyster paddle page paintbrush/paintbrushes painting pancake paper clip/paper clips parcel parrot pea peach/peaches peanut pear pearl pebble pen pencil penguin pepper photo pie pigeon pillow pin pinecone pizza plant plate plum pony/ponies poster pot potato/potatoes present pretzel puppy/puppies puzzle quilt rabbit radish/radishes raisin ribbon ring robot rock rope rose ruler sandwich/sandwiches scarf/scarves screw seashell seed sheep/sheep shell shirt shoe shovel skirt snail sock spoon spider sticker stamp star statue stick stone stool strawberry/strawberries sunflower sweet sword table tent ticket tile tomato/tomatoes tool toy train tree truck trumpet tulip turnip turtle umbrella vase vegetable violin walnut watch/watches wheel whistle window worm yoyo zebra".split(
    /(?<!paper) (?!clip)/,
  );

const QUALITIES =
  "red blue green yellow white black purple pink brown grey silver golden striped spotted small big tiny large wooden plastic metal old new shiny broken round square painted wet dry warm fresh ripe cheap fancy plain foreign rare soft hard heavy light clean dusty".split(
    " ",
  );

const plural = (noun: string) =>
  /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;

const THINGS: Thing[] = NOUNS.map((noun) => {
  const [one, many] = noun.split("/");
  return { one, many: many ?? plural(one) };
});

const isReserved = (name: string) => hashShare(`thing ${name}`) < 1 / 8;

/** Something to count that belongs to the split: a noun, sometimes with a quality. */
export function thing({ random, words }: Making): Thing {
  for (;;) {
    const noun = pick(random, THINGS);
    const quality = oneIn(random, 3) ? `${pick(random, QUALITIES)} ` : "";
    if (isReserved(noun.one) !== (words === "test")) continue;
    return { one: quality + noun.one, many: quality + noun.many };
  }
}

/** `count` things of different nouns. */
export function things(making: Making, count: number): Thing[] {
  const found: Thing[] = [];
  while (found.length < count) {
    const next = thing(making);
    const noun = (name: string) => name.split(" ").at(-1);
    if (found.every(({ one }) => noun(one) !== noun(next.one))) found.push(next);
  }
  return found;
}

const CONTAINERS: Thing[] =
  "box/boxes bag/bags basket/baskets jar/jars shelf/shelves tray/trays crate/crates drawer/drawers packet/packets bucket/buckets bowl/bowls case/cases row/rows pile/piles cupboard/cupboards tin/tins sack/sacks carton/cartons pack/packs stack/stacks barrel/barrels container/containers"
    .split(" ")
    .map((pair) => pair.split("/"))
    .map(([one, many]) => ({ one, many }));

/** What things are kept in. */
export const container = (random: Random): Thing => pick(random, CONTAINERS);
