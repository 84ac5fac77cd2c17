/** People of stories: given names of many countries, and thousands more put together from syllables, so that no list can be learnt by heart. */
import type { Random } from "../../../base/index.ts";
import { hashShare } from "../../cleaning/hash-share.ts";
import { type Making, pick } from "../exercise.ts";

export interface Person {
  name: string;
  he: "he" | "she" | "they";
  his: "his" | "her" | "their";
  him: "him" | "her" | "them";
}

const WOMEN =
  "Ada Agnes Aiko Aisha Alba Alice Alma Amara Amina Amy Ana Andrea Anita Anna Anya Astrid Aurora Ava Beatrix Bella Bianca Bridget Camila Carmen Carol Chiara Chloe Clara Daisy Dalia Daria Deepa Diana Dora Edith Eileen Elena Elif Elin Eliza Ella Ellen Elsa Emily Emma Erika Esther Eva Fatima Fiona Flora Freya Gemma Gina Grace Greta Hana Hanna Harper Hazel Heidi Helen Holly Ida Imani Ines Ingrid Irene Iris Isabel Ivy Jade Jana Jane Jasmine Joana Joyce Julia June Kaori Karin Kate Katya Keiko Kiara Klara Kumi Lara Laura Leah Leila Lena Lila Lily Linda Lisa Lola Lucia Lucy Luna Mai Maja Mara Margaret Maria Marie Marta Mary Maya Mei Mia Mila Mina Mira Molly Mona Nadia Naomi Nia Nina Noor Nora Olga Olive Olivia Paloma Paula Pearl Penny Petra Pia Priya Rachel Rania Rita Rosa Rose Ruby Ruth Sakura Sara Selma Sena Sofia Sonia Stella Susan Sylvia Tamar Tara Tess Thea Tina Uma Vera Violet Wanda Wendy Xenia Yara Yasmin Yuki Zara Zoe Zora".split(
    " ",
  );
const MEN =
  "Aaron Abdul Adam Adrian Ahmed Akira Alan Albert Alex Ali Amir Anders Andre Andrew Anton Ari Arjun Arthur Axel Ben Bjorn Bo Boris Bruno Callum Carl Carlos Casper Charlie Chen Chris Clem Cole Daniel Dario Dave David Dean Dev Diego Dmitri Dylan Ed Eduardo Eli Elias Emil Enzo Eric Erik Ethan Ezra Fabian Felix Finn Frank Fred Gabriel George Gil Giorgio Goran Gus Hamid Hans Harry Hassan Henry Hiro Hugo Ian Ibrahim Igor Ilya Isaac Ivan Jack Jacob Jakub James Jan Jasper Javier Jay Joe Joel Jonas Jorge Joseph Josh Juan Jules Kai Karim Karl Ken Kenji Kevin Kofi Kurt Lars Leo Leon Levi Liam Louis Luca Lucas Luis Luke Magnus Malik Marco Mark Martin Mateo Matt Max Mehmet Michael Miguel Milan Miles Mo Mohamed Nate Neil Nico Noah Olaf Oliver Omar Oscar Otto Owen Pablo Pascal Paul Pedro Peter Phil Piotr Rafael Raj Ralph Ravi Ray Rob Robin Roman Ryan Said Sam Samir Sasha Sean Simon Stefan Sven Tariq Ted Theo Thomas Tim Tobias Tom Tomas Tony Umar Victor Viktor Vince Walter Will Yan Yusuf Zach Zoltan".split(
    " ",
  );

const STARTS =
  "Al An Bel Bran Cal Cor Dal Del El Fen Gal Hal Jor Kal Kel Lor Mar Mel Mir Nor Or Per Quin Ran Ros Sal Sel Tal Tor Val Ver Wil Yor Zan".split(
    " ",
  );
const MIDDLES = ["", "", "a", "e", "i", "o", "an", "el", "in", "or", "ad", "ev"];
const ENDS =
  "a ah ana and ara bert da dan den dra el ena eth ia ian ica iel ina ine io is ita la len lin lo man mina mond na nda nel nia no ra ric rin ro ron sa son ta tan tha tin to via wen win ya".split(
    " ",
  );

/** The share of names that only tests have. */
const RESERVED = 1 / 8;
const isReserved = (name: string) => hashShare(`name ${name}`) < RESERVED;

function inventedName(random: Random): string {
  return pick(random, STARTS) + pick(random, MIDDLES) + pick(random, ENDS);
}

/** A person whose name belongs to the split: a real name two times in three, else an invented one. */
export function person({ random, words }: Making): Person {
  for (;;) {
    const woman = random.below(2) === 0;
    const name = random.below(3) ? pick(random, woman ? WOMEN : MEN) : inventedName(random);
    if (isReserved(name) !== (words === "test")) continue;
    return woman ? { name, he: "she", his: "her", him: "her" } : { name, he: "he", his: "his", him: "him" };
  }
}

/** `count` people of different names. */
export function people(making: Making, count: number): Person[] {
  const found: Person[] = [];
  while (found.length < count) {
    const next = person(making);
    if (found.every(({ name }) => name !== next.name)) found.push(next);
  }
  return found;
}
