select n from raw.numbers
