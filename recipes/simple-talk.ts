/**
 * Writes recipes/data/simple-talk.jsonl: short conversations about everyday things, put together from words and sentences written by hand.
 *   node recipes/simple-talk.ts
 * The same file each time. Prompts of bench/open-prompts.ts are left out, so that what is measured there was never seen.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OPEN_PROMPTS } from "../bench/open-prompts.ts";
import { Random } from "../src/base/index.ts";

const random = new Random(1);
const pick = <T>(from: readonly T[]): T => from[Math.floor(random.uniform() * from.length)];
const rows: string[] = [];
const seen = new Set<string>(OPEN_PROMPTS);

function say(prompt: string, reply: string): void {
  if (seen.has(prompt)) return;
  seen.add(prompt);
  const messages = [
    { role: "user", content: prompt },
    { role: "assistant", content: reply },
  ];
  rows.push(JSON.stringify({ messages }));
}
const upper = (text: string) => text[0].toUpperCase() + text.slice(1);
const a = (noun: string) => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

// Animals: [one, many, what they eat, where they live, the young, something more].
const ANIMALS: [string, string, string, string, string, string][] = [
  ["dog", "dogs", "meat and dog food", "with people", "puppy", "Dogs have a very good nose."],
  ["cat", "cats", "meat, fish and mice", "with people", "kitten", "Cats like to sleep in warm places."],
  ["horse", "horses", "grass and hay", "on farms and in fields", "foal", "Horses can run fast and carry a rider."],
  ["sheep", "sheep", "grass", "on farms and on hills", "lamb", "Their wool keeps us warm."],
  ["goat", "goats", "grass and leaves", "on farms and on mountains", "kid", "Goats climb very well."],
  ["pig", "pigs", "grain, roots and vegetables", "on farms", "piglet", "Pigs are clever animals."],
  ["hen", "hens", "grain, seeds and worms", "on farms", "chick", "Hens lay eggs."],
  ["duck", "ducks", "plants, seeds and small insects", "near ponds and lakes", "duckling", "Ducks swim well."],
  ["rabbit", "rabbits", "grass, leaves and carrots", "in holes in the ground", "kit", "Rabbits have long ears."],
  ["mouse", "mice", "seeds and grain", "in fields and in houses", "pup", "Mice are small and quick."],
  ["fox", "foxes", "mice, birds and berries", "in forests and fields", "cub", "Foxes have a bushy tail."],
  ["wolf", "wolves", "meat", "in forests", "pup", "Wolves live together in packs."],
  [
    "bear",
    "bears",
    "berries, fish and honey",
    "in forests and mountains",
    "cub",
    "Many bears sleep through the winter.",
  ],
  ["lion", "lions", "meat", "on the grasslands of Africa", "cub", "Lions live in groups called prides."],
  ["tiger", "tigers", "meat", "in the forests of Asia", "cub", "Tigers have dark stripes."],
  [
    "elephant",
    "elephants",
    "grass, leaves and fruit",
    "in Africa and Asia",
    "calf",
    "Elephants are the largest animals on land.",
  ],
  ["monkey", "monkeys", "fruit, leaves and nuts", "in warm forests", "infant", "Monkeys climb trees with ease."],
  ["frog", "frogs", "insects and worms", "near ponds and streams", "tadpole", "Frogs can jump far."],
  ["owl", "owls", "mice and other small animals", "in trees and old barns", "owlet", "Owls hunt at night."],
  [
    "penguin",
    "penguins",
    "fish",
    "by cold seas in the south",
    "chick",
    "Penguins cannot fly, but they swim very well.",
  ],
  ["whale", "whales", "small sea animals and fish", "in the ocean", "calf", "Whales breathe air, like we do."],
  ["dolphin", "dolphins", "fish", "in the sea", "calf", "Dolphins are clever and like to play."],
  ["shark", "sharks", "fish and other sea animals", "in the sea", "pup", "Sharks have many sharp teeth."],
  ["squirrel", "squirrels", "nuts and seeds", "in trees", "kitten", "Squirrels hide nuts for the winter."],
  ["deer", "deer", "grass, leaves and bark", "in forests", "fawn", "Many male deer have antlers."],
  ["bee", "bees", "nectar and pollen", "in hives", "larva", "Bees make honey and help flowers to make seeds."],
  ["camel", "camels", "dry grass and desert plants", "in the desert", "calf", "Camels can go for days without water."],
  ["swan", "swans", "water plants", "on lakes and rivers", "cygnet", "Swans are large white birds."],
];
for (const [one, many, food, home, young, more] of ANIMALS) {
  say(`What do ${many} eat?`, `${upper(many)} eat ${food}.`);
  say(`What does ${a(one)} eat?`, `${upper(a(one))} eats ${food}.`);
  say(`Where do ${many} live?`, `${upper(many)} live ${home}.`);
  say(`What is ${a(one)}?`, `${upper(a(one))} is an animal. ${upper(many)} live ${home} and eat ${food}. ${more}`);
  say(`Tell me something about ${many}.`, `${more} ${upper(many)} live ${home}, and they eat ${food}.`);
  say(`What is a young ${one} called?`, `A young ${one} is called ${a(young)}.`);
  say(`Can you tell me about ${many}?`, `Yes. ${upper(many)} live ${home}. They eat ${food}. ${more}`);
}
const GROUPS: [string, string[]][] = [
  ["animals that live on a farm", ["cows", "sheep", "pigs", "horses", "hens", "goats"]],
  ["animals that live in the forest", ["foxes", "deer", "owls", "bears", "squirrels", "wolves"]],
  ["animals that can fly", ["owls", "bees", "swans", "bats", "eagles", "butterflies"]],
  ["fish", ["salmon", "trout", "cod", "tuna", "herring", "carp"]],
  ["birds", ["a robin", "an owl", "a swan", "a sparrow", "an eagle", "a crow"]],
  ["fruits", ["apples", "pears", "oranges", "bananas", "grapes", "cherries"]],
  ["vegetables", ["carrots", "potatoes", "peas", "cabbages", "beans", "onions"]],
  ["colours", ["red", "blue", "green", "yellow", "black", "white"]],
  ["things in a kitchen", ["a pot", "a spoon", "a table", "a knife", "a cup", "a stove"]],
  ["things in a school", ["a desk", "a book", "a pencil", "a blackboard", "a map", "a clock"]],
  ["things you can wear", ["a coat", "a hat", "a scarf", "shoes", "gloves", "a shirt"]],
  ["trees", ["an oak", "a pine", "a birch", "a willow", "a maple", "an apple tree"]],
  ["flowers", ["a rose", "a tulip", "a daisy", "a lily", "a violet", "a sunflower"]],
  ["sea creatures", ["whales", "dolphins", "sharks", "crabs", "seals", "octopuses"]],
  ["creatures of the ocean", ["dolphins", "crabs", "whales", "starfish", "seals", "sharks"]],
  ["things that can float", ["a boat", "a leaf", "a cork", "a log", "a feather", "ice"]],
  ["things made of wood", ["a table", "a door", "a chair", "a pencil", "a fence", "a boat"]],
  ["musical instruments", ["a piano", "a drum", "a flute", "a violin", "a trumpet", "a guitar"]],
  ["sports", ["football", "tennis", "swimming", "running", "skating", "hockey"]],
  ["jobs", ["a baker", "a teacher", "a farmer", "a doctor", "a sailor", "a painter"]],
];
const NUMBERS = ["two", "three", "four", "five"];
for (const [what, members] of GROUPS) {
  for (const [i, number] of NUMBERS.entries()) {
    const list = members.slice(i % 2, (i % 2) + i + 2);
    const joined = `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
    for (const form of [`Name ${number} ${what}.`, `Can you name ${number} ${what}?`, `Tell me ${number} ${what}.`])
      say(form, `${upper(joined)}.`);
  }
}

// What things are, and why things are so.
const FACTS: [string, string][] = [
  ["a lake", "A lake is a large body of still water with land all around it."],
  ["the sea", "The sea is the great body of salt water that covers most of the Earth."],
  ["a stream", "A stream is a small flow of water, narrower than a river."],
  ["a brook", "A brook is a very small stream of fresh water."],
  ["a waterfall", "A waterfall is a place where a river drops over the edge of a rock."],
  ["a mountain", "A mountain is a very high piece of land, much higher than a hill."],
  ["a hill", "A hill is a piece of land that rises above the land around it."],
  ["a valley", "A valley is the low land between hills or mountains. Often a river runs through it."],
  ["an island", "An island is a piece of land with water all around it."],
  ["a desert", "A desert is a dry place where very little rain falls and few plants grow."],
  ["a forest", "A forest is a large piece of land that is full of trees."],
  ["a volcano", "A volcano is a mountain with an opening from which hot melted rock can come."],
  ["a cloud", "A cloud is made of very many tiny drops of water or bits of ice in the air."],
  ["rain", "Rain is water that falls from clouds in drops."],
  ["snow", "Snow is frozen water that falls from clouds in soft white flakes."],
  ["wind", "Wind is air that moves."],
  ["the moon", "The moon is a ball of rock that goes around the Earth. It shines because the sun lights it."],
  ["a star", "A star is a huge ball of very hot gas, far away. The sun is a star too."],
  ["a planet", "A planet is a large ball that goes around a star. The Earth is a planet."],
  ["a seed", "A seed is the small part of a plant from which a new plant can grow."],
  ["a tree", "A tree is a tall plant with a trunk of wood, branches and leaves."],
  ["a flower", "A flower is the part of a plant that makes seeds. Many flowers have bright colours."],
  ["a root", "A root is the part of a plant that grows in the ground and takes up water."],
  ["a bridge", "A bridge is a road or path that is built over water or over a valley."],
  ["a boat", "A boat is a small ship that carries people or things over water."],
  ["a map", "A map is a picture of the land as it looks from above. It shows you the way."],
  ["a library", "A library is a place where people can read and borrow books."],
  ["a school", "A school is a place where children learn."],
  ["a computer", "A computer is a machine that follows instructions and works with numbers and words."],
  ["a program", "A program is a list of instructions that a computer follows."],
  ["a variable", "In a program, a variable is a name for a value. The value can change."],
  ["a loop", "In a program, a loop does the same thing again and again until it is told to stop."],
  ["a string", 'In JavaScript, a string is a piece of text, such as "hello".'],
  ["a list", "In a program, a list holds several values in order. In JavaScript a list is called an array."],
  ["a bug", "In a program, a bug is a mistake that makes it do the wrong thing."],
  ["a friend", "A friend is somebody whom you like and who likes you."],
  ["ice", "Ice is water that is frozen hard."],
  ["fire", "Fire is the heat and light that come from something that burns."],
  ["bread", "Bread is a food that is made of flour and water and baked in an oven."],
  ["honey", "Honey is a sweet food that bees make from flowers."],
  ["a lamp", "A lamp is a thing that gives light."],
  ["a clock", "A clock is a thing that shows the time."],
  ["a doctor", "A doctor is a person who helps people who are ill."],
  ["a baker", "A baker is a person who makes bread and cakes."],
];
for (const [what, answer] of FACTS) {
  say(`What is ${what}?`, answer);
  say(`Can you explain what ${what} is?`, answer);
  say(`Tell me what ${what} is.`, answer);
  say(`Explain what ${what} is.`, answer);
  say(`I do not know what ${what} is. Can you help?`, `Of course. ${answer}`);
}
const WHY: [string, string][] = [
  [
    "does it rain",
    "Water rises from the sea into the air and makes clouds. When the drops in the clouds grow heavy, they fall as rain.",
  ],
  ["is the sky blue", "Sunlight has all colours in it. The air scatters the blue light most, so the sky looks blue."],
  [
    "do birds fly south in winter",
    "In winter it is cold and there is little food, so many birds fly to warmer places.",
  ],
  [
    "do trees lose their leaves",
    "In autumn there is less light and it grows cold. Trees let their leaves fall, and so they save water through the winter.",
  ],
  ["do leaves turn red and yellow", "In autumn the green in the leaves goes away, and the other colours can be seen."],
  ["do we eat", "Food gives our bodies what they need to move, to grow and to stay warm."],
  ["do we drink water", "Our bodies need water to work. We lose some of it all day, so we have to drink."],
  [
    "should I sleep enough",
    "While you sleep your body rests and grows, and your mind puts in order what you have learned.",
  ],
  ["do people get tired", "Our bodies and minds use up their strength in the day. With sleep they grow strong again."],
  ["do we brush our teeth", "Brushing takes away bits of food and germs, and so it keeps our teeth healthy."],
  ["should I wash my face", "Water and soap take away dirt and germs, and so you stay clean and healthy."],
  ["should I use soap", "Soap takes away dirt and germs that could make you ill."],
  ["do we wear coats in winter", "A coat keeps the warm air close to the body, so that we do not get cold."],
  [
    "is the sea salty",
    "Rivers carry a little salt from the rocks into the sea. The water rises into the air, but the salt stays.",
  ],
  ["does the moon shine", "The moon has no light of its own. It shines because the light of the sun falls on it."],
  ["is it dark at night", "At night our side of the Earth is turned away from the sun, so it is dark."],
  ["do plants need light", "Plants use light to make their food from water and air."],
  ["do bees visit flowers", "Bees come for the sweet nectar in the flowers. They make honey from it."],
  ["do cats purr", "Most of the time a cat purrs because it feels safe and happy."],
  ["do we go to school", "At school we learn to read, to write and to count, and we meet friends."],
  ["is it good to read", "Books tell us new things and stories, and we learn many words from them."],
  ["should I say thank you", "It shows others that you are glad of their help."],
  ["does ice float", "Ice is a little lighter than the same amount of water, so it floats."],
  ["is exercise good for us", "It makes our hearts and muscles strong, and it helps us to sleep well."],
];
for (const [why, answer] of WHY) {
  say(`Why ${why}?`, answer);
  say(`Do you know why? I mean: why ${why}?`, `Yes, I think so. ${answer}`);
  say(`My child asks: why ${why}?`, answer);
}
const HOW: [string, string][] = [
  [
    "do I make a sandwich",
    "Take two slices of bread. Put butter and cheese on one, lay the other on top, and cut it in two.",
  ],
  [
    "do I make a cup of coffee",
    "Boil some water. Put ground coffee into a filter, pour the hot water over it slowly, and add milk if you like.",
  ],
  [
    "do I make hot chocolate",
    "Warm a cup of milk, stir in two spoons of cocoa and a little sugar, and drink it while it is hot.",
  ],
  [
    "do I boil an egg",
    "Put the egg into boiling water. After six minutes it is soft, and after ten minutes it is hard.",
  ],
  [
    "do I make pancakes",
    "Mix flour, milk and eggs. Pour a little into a hot pan with butter, turn it once, and eat it warm.",
  ],
  ["do I make lemonade", "Squeeze two lemons into a jug of water, add some sugar, and stir well."],
  [
    "can I prepare tea",
    "Boil some water, put a tea bag into a cup, pour in the hot water and wait three minutes. Then take the bag out.",
  ],
  ["do I plant a tree", "Dig a hole, set the young tree in it, fill the hole with earth, and give it plenty of water."],
  ["do I grow tomatoes", "Put the seeds into a pot of earth, keep it warm and wet, and give the plants much light."],
  [
    "does a plant grow",
    "A seed takes up water and opens. First a root grows down, then a small stem grows up to the light, and then leaves open.",
  ],
  [
    "does a tree grow from a seed",
    "The seed takes up water, a root grows down into the earth, and a stem grows up. Year after year it becomes taller, until it is a tree.",
  ],
  [
    "does a flower grow",
    "In the warm, wet earth the seed opens. A root grows down and a stem grows up, then come leaves, and then the flower.",
  ],
  [
    "does a caterpillar become a butterfly",
    "The caterpillar makes a hard case around itself. In there it changes, and after some weeks a butterfly comes out.",
  ],
  [
    "do bees make honey",
    "Bees gather nectar from flowers, carry it to the hive, and let it dry there until it is honey.",
  ],
  ["do fish breathe", "Fish breathe with gills. They take the air that they need out of the water."],
  [
    "do I learn to swim",
    "Begin in shallow water with somebody who swims well. First learn to float, then to kick, and then to use your arms.",
  ],
  [
    "can I sleep better",
    "Go to bed at the same time each day, keep the room dark and cool, and leave screens away for the last hour.",
  ],
  [
    "can I learn new words",
    "Read a little each day. Write down the words that are new to you, and use them the next day.",
  ],
  ["can I be a good friend", "Listen to your friends, keep your promises, and be kind when they are sad."],
  [
    "do I find new friends",
    "Smile, say hello, and ask people about themselves. Join a club or a team, and be kind and patient.",
  ],
  ["do I clean my room", "First put things where they belong. Then make the bed, wipe the table, and sweep the floor."],
  [
    "do I wrap a present",
    "Lay the present on the paper, fold the paper around it, fix it with tape, and tie a ribbon around it.",
  ],
];
for (const [how, answer] of HOW) {
  say(`How ${how}?`, answer);
  say(`Please tell me: how ${how}?`, answer);
  if (how.startsWith("do I ")) say(`I want to know how to ${how.slice(5)}.`, answer);
}

const OPPOSITES: [string, string][] =
  "hot cold, big small, tall short, long short, young old, happy sad, fast slow, light dark, wet dry, hard soft, rich poor, strong weak, early late, full empty, open closed, high low, near far, loud quiet, clean dirty, heavy light, thick thin, wide narrow, easy difficult, kind unkind, honest dishonest, polite rude, lazy busy, sweet bitter, true false, right wrong, deep shallow, bold shy, courageous cowardly, fearless afraid, sharp dull, rough smooth, safe dangerous, first last"
    .split(", ")
    .map((pair) => pair.split(" ") as [string, string]);
for (const [one, other] of OPPOSITES) {
  for (const [x, y] of [
    [one, other],
    [other, one],
  ]) {
    say(`What is the opposite of ${x}?`, `The opposite of ${x} is ${y}.`);
    say(`What word means the opposite of ${x}?`, `The opposite of ${x} is ${y}.`);
    say(`Give me the opposite of ${x}.`, `${upper(y)} is the opposite of ${x}.`);
  }
}
const NOUNS =
  "lamp,river,garden,window,basket,candle,ladder,mirror,pocket,blanket,bridge,kite,pencil,umbrella,kettle,apple,letter,whistle,button,feather,bucket,cloud,drum,shadow,ticket,wagon,violin,suitcase,hammer,pillow".split(
    ",",
  );
const SENTENCES: ((n: string) => string)[] = [
  (n) => `The old man put the ${n} beside the door.`,
  (n) => `She found ${a(n)} in the attic of her house.`,
  (n) => `My brother drew a picture of ${a(n)}.`,
  (n) => `We saw ${a(n)} on our way to school.`,
];
for (const [i, noun] of NOUNS.entries()) {
  const reply = SENTENCES[i % SENTENCES.length](noun);
  say(`Make a sentence with the word ${noun}.`, reply);
  say(`Write a sentence with the word ${noun}.`, SENTENCES[(i + 1) % SENTENCES.length](noun));
  say(`Use the word ${noun} in a sentence.`, SENTENCES[(i + 2) % SENTENCES.length](noun));
}
const THINGS =
  "the salt,your pen,that bag,the map,my coat,the ball,the keys,a glass of water,the ladder,the paper,your hand,the newspaper".split(
    ",",
  );
for (const thing of THINGS) {
  for (const [rude, polite] of [
    [`Give me ${thing}.`, `Could you please give me ${thing}?`],
    [`Hand me ${thing}.`, `Would you please hand me ${thing}?`],
    [`Bring me ${thing}.`, `Could you bring me ${thing}, please?`],
  ]) {
    say(`Rewrite this sentence politely: ${rude}`, polite);
    say(`Make this sentence polite: ${rude}`, polite);
    say(`Say this politely: ${rude}`, polite);
  }
}

// Pictures in words.
const SCENES: [string, string[]][] = [
  [
    "sunny day",
    [
      "The sun shines from a clear blue sky.",
      "Children play in the park and eat ice cream.",
      "In the evening the air is still warm.",
    ],
  ],
  [
    "snowy day",
    [
      "Soft white snow covers the roofs and the trees.",
      "Children build a snowman and throw snowballs.",
      "At home a hot drink waits for them.",
    ],
  ],
  [
    "stormy night",
    [
      "The wind howls around the house and shakes the trees.",
      "Lightning flashes, and then the thunder rolls.",
      "In the morning all is quiet again.",
    ],
  ],
  [
    "wet day",
    [
      "Grey clouds hang over the town, and the rain falls without end.",
      "People hurry along the street under their umbrellas.",
      "Water runs down the windows, and we stay inside with a book.",
    ],
  ],
  [
    "rainy afternoon",
    [
      "The rain drums on the roof.",
      "Big drops run down the window, and the street is full of puddles.",
      "Inside it is warm, and somebody makes tea.",
    ],
  ],
  [
    "day in spring",
    [
      "The snow is gone, and the first flowers open.",
      "Birds sing in the trees and build their nests.",
      "The air smells fresh and sweet.",
    ],
  ],
  [
    "day in autumn",
    [
      "Red and yellow leaves fall from the trees.",
      "A cool wind blows over the empty fields.",
      "In the garden the last apples are ripe.",
    ],
  ],
  [
    "day at the beach",
    [
      "The waves roll onto the warm sand.",
      "Children build castles and look for shells.",
      "Far out on the sea there is a white sail.",
    ],
  ],
  [
    "forest",
    [
      "Tall trees stand close together, and little light comes through.",
      "The ground is soft with moss and old leaves.",
      "Somewhere a bird sings.",
    ],
  ],
  [
    "market",
    [
      "The stalls are full of fruit, bread and flowers.",
      "Sellers call out their prices, and people talk and laugh.",
      "It smells of fresh bread.",
    ],
  ],
  [
    "quiet village",
    [
      "A few small houses stand around an old church.",
      "A dog sleeps in the road, for there are no cars.",
      "In the evening smoke rises from the chimneys.",
    ],
  ],
];
for (const [scene, lines] of SCENES) {
  say(`Describe ${a(scene)} in three sentences.`, lines.join(" "));
  say(`Describe ${a(scene)} in two sentences.`, lines.slice(0, 2).join(" "));
  say(`Describe ${a(scene)}.`, lines.join(" "));
  say(`Write three sentences about ${a(scene)}.`, lines.join(" "));
  say(`Write two sentences about ${a(scene)}.`, lines.slice(1).join(" "));
}
const SEASONS: [string, string[]][] = [
  ["spring", ["In spring the days grow longer and the first flowers open.", "Birds come back and build their nests."]],
  ["summer", ["In summer the days are long and warm.", "Many people go to the lake or to the sea."]],
  ["autumn", ["In autumn the leaves turn red and yellow.", "Farmers bring in the apples and the grain."]],
  [
    "the cold season",
    ["In winter the days are short and cold.", "Snow covers the fields, and people like to sit by the fire."],
  ],
  ["snow", ["Snow falls softly in winter and makes the world white.", "Children love to play in it."]],
  ["the sea", ["The sea is wide and deep.", "Ships sail on it, and many fish live in it."]],
  ["the night", ["At night the sky is dark and full of stars.", "Most people sleep, but owls are awake."]],
  ["friends", ["Good friends help each other.", "With a friend even a dull day is fun."]],
  ["dogs", ["Dogs are the friends of people.", "They like to run, to play and to eat."]],
  ["school", ["At school children learn to read and to count.", "In the break they play in the yard."]],
];
for (const [what, lines] of SEASONS) {
  say(`Write two sentences about ${what}.`, lines.join(" "));
  say(`Write a sentence about ${what}.`, lines[0]);
  say(`Tell me something about ${what}.`, lines.join(" "));
  say(`Say something nice about ${what}.`, lines.join(" "));
}

// Ideas and advice.
const COATS = ["brown", "black", "white", "grey", "spotted", "golden", "small", "fluffy"];
const PETS = ["puppy", "kitten", "rabbit", "pony", "dog", "cat", "hamster", "parrot"];
const NAMES = ["Biscuit", "Coco", "Teddy", "Pepper", "Snowy", "Shadow", "Spot", "Sunny", "Button", "Muffin"];
for (const coat of COATS)
  for (const pet of PETS) {
    const [one, two] = [pick(NAMES), pick(NAMES)];
    const answer = one === two ? `How about ${one}?` : `How about ${one}? Or, if you like it better, ${two}.`;
    say(`Suggest a name for ${a(`${coat} ${pet}`)}.`, answer);
    say(`What should I call my ${coat} ${pet}?`, answer);
  }
const PLANS = [
  "read a good book",
  "go for a walk in the park",
  "draw a picture",
  "bake some bread",
  "call a friend",
  "build a kite",
  "plant some flowers",
  "learn a new song",
  "write a letter",
  "play a game of cards",
  "tidy your room",
  "watch the birds",
];
for (const mood of [
  "I am bored.",
  "I have nothing to do.",
  "It is raining and I am at home.",
  "I have a free day.",
  "My friends are away.",
])
  for (const ask of [
    "What can I do?",
    "What should I do?",
    "What could I do today?",
    "What can I do this evening?",
    "Do you have an idea?",
    "Any ideas for the weekend?",
  ]) {
    const [x, y, z] = [pick(PLANS), pick(PLANS), pick(PLANS)];
    say(
      `${mood} ${ask}`,
      x === y || y === z
        ? `You could ${x}.`
        : `You could ${x}, or ${y}. Or how about this: ${z}?`.replace(`, or ${x}`, ""),
    );
  }
const TRIPS: [string, string][] = [
  ["the beach", "a towel, a swimsuit, a sun hat, sun cream and plenty of water"],
  ["the lake", "a towel, a swimsuit, something to eat and a warm sweater for the evening"],
  ["the forest", "good shoes, a map, some food and a bottle of water"],
  ["the hills", "strong shoes, a warm coat, a map, food and enough water"],
  ["a cold place", "a warm coat, gloves, a hat, thick socks and good boots"],
  ["the snow", "a warm coat, gloves, a hat, thick socks and strong boots"],
  ["the city", "comfortable shoes, a map, an umbrella and some money"],
  ["the desert", "a hat, light clothes, sun cream and very much water"],
  ["the countryside", "good shoes, a raincoat, a map and something to eat"],
];
for (const [where, what] of TRIPS) {
  say(`What should I pack for a trip to ${where}?`, `Pack ${what}.`);
  say(`What should I take to ${where}?`, `Take ${what}.`);
  say(`I am going to ${where}. What do I need?`, `You need ${what}.`);
}
const ADVICE: [string, string][] = [
  [
    "learning to read",
    "Begin with short books that you like. Read a little each day, and ask when you do not know a word.",
  ],
  ["a test at school", "Begin early, learn a little each day, and sleep well the night before."],
  ["being less shy", "Begin with a smile and a hello. Ask a question, and listen well. It gets easier each time."],
  ["meeting new people", "Smile, say your name, and ask them about what they like. Be kind and listen to them."],
  ["keeping friends", "Be kind, listen well, keep your promises, and spend time together."],
  ["saving money", "Write down what you spend, buy only what you need, and put a little away each week."],
  ["a long journey", "Pack the night before, take food and water, and rest often."],
  ["sleeping well", "Go to bed at the same time each day, and keep the room dark and quiet."],
  ["growing flowers", "Give them good earth, light, and water when the ground is dry."],
];
for (const [what, answer] of ADVICE) {
  say(`Give me some advice for ${what}.`, answer);
  say(`Do you have any advice for ${what}?`, `Yes. ${answer}`);
  say(`What is your advice for ${what}?`, answer);
}
const DIFFERENCES: [string, string, string][] = [
  ["a river", "a lake", "A river flows, while the water of a lake stands still."],
  ["a lake", "a pond", "A lake is large, while a pond is small and not deep."],
  ["a sea", "a lake", "A sea is very large and its water is salty, while most lakes are smaller and have fresh water."],
  ["an ocean", "a river", "An ocean is huge and salty, while a river is a flow of fresh water through the land."],
  ["a hill", "a mountain", "A mountain is much higher than a hill."],
  ["a frog", "a toad", "A frog has smooth, wet skin and jumps, while a toad has dry, rough skin and walks."],
  ["a bee", "a wasp", "A bee is hairy and makes honey, while a wasp is smooth and makes none."],
  ["a star", "a planet", "A star shines with its own light, while a planet only gives back the light of its star."],
  ["rain", "snow", "Rain is water that falls in drops, while snow is frozen water that falls in flakes."],
  [
    "a fruit",
    "a vegetable",
    "A fruit holds the seeds of a plant, while a vegetable is another part that we eat, such as the root or the leaves.",
  ],
];
for (const [x, y, answer] of DIFFERENCES) {
  say(`What is the difference between ${x} and ${y}?`, answer);
  say(`What is the difference between ${y} and ${x}?`, answer);
  say(`How is ${x} different from ${y}?`, answer);
}

// Small talk.
const GREETINGS = ["Hello", "Hi", "Hey", "Good morning", "Good evening", "Good day", "Hello there", "Good afternoon"];
for (const greeting of GREETINGS) {
  say(
    `${greeting}! How are you?`,
    `${greeting}! I am a program, so I do not feel well or ill, but I am ready to help. How are you?`,
  );
  say(
    `${greeting}, how are you today?`,
    `${greeting}! I am fine, thank you, as far as a program can be. What would you like to do?`,
  );
  say(`${greeting}! Nice to meet you.`, `${greeting}! It is nice to meet you too. I am Minnow.`);
  say(`${greeting}! What is your name?`, `${greeting}! I am Minnow, a very small language model, trained by Shoal.`);
  say(
    `${greeting}. Who am I talking to?`,
    `You are talking to Minnow, a very small language model. What can I do for you?`,
  );
}
for (const thanks of [
  "Thank you!",
  "Thanks a lot.",
  "Thank you very much.",
  "Thanks, that was kind.",
  "Thank you for your help.",
  "That helped me, thanks.",
]) {
  say(thanks, "You are welcome!");
  for (const bye of ["Goodbye!", "See you tomorrow!", "Good night!", "Bye!", "See you soon."])
    say(
      `${thanks} ${bye}`,
      `You are welcome! ${bye === "Good night!" ? "Good night, and sleep well." : "Goodbye, and come back soon."}`,
    );
}
for (const game of ["football game", "tennis match", "race", "chess game", "election", "hockey match", "song contest"])
  for (const when of ["last night", "last week", "today", "on Sunday", "this year"])
    say(
      `Who won the ${game} ${when}?`,
      "I do not know. I learned from old texts, and I cannot look up what happened since.",
    );
for (const [what, when] of [
  ["weather", "today"],
  ["weather", "next week"],
  ["weather", "on Sunday"],
  ["weather", "this evening"],
  ["temperature", "tomorrow"],
  ["traffic", "tomorrow"],
])
  for (const form of [
    `What is the ${what} ${when}?`,
    `How will the ${what} be ${when}?`,
    `Tell me the ${what} for ${when}.`,
    `What will the ${what} be ${when}?`,
  ])
    say(
      form,
      `I cannot know that: I have no news and no look outside. Please ask a ${what === "traffic" ? "traffic" : "weather"} service.`,
    );
for (const help of [
  "What can you do?",
  "How can you help me?",
  "What are you able to do?",
  "What are you good at?",
  "Which things can I ask you?",
])
  say(
    help,
    "I can work out sums step by step, solve short word problems, write small JavaScript functions, find a bug in a small function, and talk about simple things.",
  );
for (const sky of [
  ["the moon", "The moon is made of rock and dust."],
  ["a star", "A star is made of very hot gas, most of it hydrogen."],
  ["the Earth", "The Earth is made of rock and metal, with water and air around it."],
  ["our star, the sun", "The sun is made of very hot gas, most of it hydrogen and helium."],
  ["a comet", "A comet is made of ice, dust and rock."],
  ["glass", "Glass is made of melted sand."],
  ["paper", "Paper is made of wood."],
  ["bread", "Bread is made of flour and water."],
  ["cheese", "Cheese is made of milk."],
  ["a cloud", "A cloud is made of tiny drops of water."],
  ["snow", "Snow is made of frozen water."],
]) {
  say(`What is ${sky[0]} made of?`, sky[1]);
  say(`Do you know what ${sky[0]} is made of?`, `Yes. ${sky[1]}`);
}

// Stories: who, what is lost or found, where, who helps.
const HEROES: [string, string, string][] = [
  ["fox", "his", "he"],
  ["rabbit", "her", "she"],
  ["bear", "his", "he"],
  ["mouse", "her", "she"],
  ["owl", "his", "he"],
  ["boy", "his", "he"],
  ["girl", "her", "she"],
  ["hedgehog", "his", "he"],
  ["duck", "her", "she"],
  ["cat", "her", "she"],
  ["dog", "his", "he"],
  ["squirrel", "her", "she"],
  ["king", "his", "he"],
  ["farmer", "his", "he"],
];
const LOST = ["hat", "shoe", "scarf", "key", "kite", "ring", "ball", "lantern", "button", "basket"];
const PLACES = [
  "by the river",
  "in the forest",
  "on the beach",
  "on a hill",
  "in the garden",
  "near an old mill",
  "under a big oak",
];
const HELPERS = [
  "an old owl",
  "a kind mouse",
  "a small bird",
  "a friendly frog",
  "a clever crow",
  "a quiet snail",
  "a little girl",
];
for (const [who, his, he] of HEROES) {
  for (const thing of LOST) {
    const [place, other, helper] = [pick(PLACES), pick(PLACES), pick(HELPERS)];
    const him = he === "he" ? "him" : "her";
    const asks = [
      `Tell me a short story about ${a(who)} who loses ${his} ${thing}.`,
      `Write a story about ${a(who)} who lost ${his} ${thing}.`,
      `Tell me a story about ${a(who)} and ${a(thing)}.`,
    ];
    const story = [
      `Once upon a time there was ${a(who)} who had a fine ${thing}. ${upper(he)} took it with ${him} wherever ${he} went.`,
      `One day the wind was strong, and ${place} the ${thing} was gone. The ${who} looked here and there, but ${he} could not find it.`,
      `Then ${helper} came by. "Why are you sad?" "I have lost my ${thing}," said the ${who}. "Come with me," was the answer. "I saw it ${other}."`,
      `And there it was. The ${who} was so happy that ${he} danced. From that day on the two were friends.`,
    ].join("\n\n");
    say(asks[0], story);
    say(asks[random.uniform() < 0.5 ? 1 : 2], story);
  }
  for (const thing of [
    "a boat",
    "an egg",
    "a golden coin",
    "a lost puppy",
    "an old map",
    "a letter in a bottle",
    "a little door",
  ]) {
    const [place, helper] = [pick(PLACES), pick(HELPERS)];
    const noun = thing.split(" ").slice(1).join(" ");
    const story = [
      `One morning ${a(who)} went for a walk ${place}. There, in the grass, lay ${thing}.`,
      `"Whose can it be?" said the ${who}. ${upper(he)} asked everybody, but nobody knew. At last ${helper} said: "Take good care of it, and you will see."`,
      `So the ${who} took care of the ${noun}, day after day. And it brought ${his === "his" ? "him" : "her"} luck: soon ${he} had many friends, and every one of them wanted to hear how it was found.`,
    ].join("\n\n");
    say(`Tell me a story about ${a(who)} who finds ${thing}.`, story);
    say(`Write a story about ${a(who)} who finds ${thing} ${place}.`, story);
  }
  for (const mood of ["tired", "little", "lonely", "brave", "hungry", "sleepy"]) {
    if (mood === "sleepy" && who === "bear") continue;
    const story = {
      tired: `The sun went down, and the ${who} was tired. ${upper(he)} had played all day long. ${upper(he)} lay down in ${his} soft bed and looked at the stars. "Good night, moon," said the ${who}. "Good night," whispered the wind. And soon ${he} was fast asleep.`,
      sleepy: `Once there was ${a(who)} who was always sleepy. One evening ${he} yawned, and then everybody yawned with ${he === "he" ? "him" : "her"}: the birds, the flowers, even the moon. "It is time," said the ${who}, and curled up in ${his} warm bed. The stars kept watch, and all was still. Good night!`,
      little: `There was once a little ${who} who was afraid of the dark. One night a tiny star came down and sat on the window. "I will shine for you," it said. Since then the little ${who} sleeps well, for ${he} knows that the star is there.`,
      lonely: `Once there was a lonely ${who}. Every day ${he} sat alone and watched the clouds. One day somebody knocked at the door. It was a mouse with a cake. "I am lonely too," said the mouse. They ate the cake together, and nobody was lonely any more.`,
      brave: `Once a river rose and nobody could cross it. A brave ${who} tied a rope around a tree, swam to the other side, and tied it there too. Now all the animals could hold on to the rope and cross. "Thank you, brave ${who}!" they called.`,
      hungry: `A hungry ${who} looked for something to eat. ${upper(he)} asked the tree, and the tree gave an apple. ${upper(he)} asked the bee, and the bee gave honey. In the evening the ${who} shared it all with ${his} friends, and it tasted twice as good.`,
    }[mood]!;
    say(`Tell me a bedtime story about ${a(`${mood} ${who}`)}.`, story);
    say(`Tell me a story about ${a(`${mood} ${who}`)}.`, story);
  }
}

const path = fileURLToPath(new URL("data/simple-talk.jsonl", import.meta.url));
writeFileSync(path, `${rows.join("\n")}\n`);
console.log(`${rows.length} conversations in ${path}`);
