select n from c
