/*
 * key_mask.h
 *		Masking keys in what is logged or shown, in place, also where they are cut off.
 *
 * This room is plain C over key_format, as that one is.  It masks more than
 * key_format_redact_text does:
 *
 *		a key whose end is missing, down to a prefix with one character behind it
 *		a key in base64, in the word behind "Basic"
 *		a key in hexadecimal, as a bytea shows it, behind "\x"
 *
 * It allocates nothing, cannot fail, and never makes a text longer.
 */
#ifndef KEY_MASK_H
#define KEY_MASK_H

#include <stdbool.h>
#include <stddef.h>

/* Is there anything to mask?  Fast where there is not. */
extern bool key_mask_finds(const char *text, size_t length);

/* Masks as key_format_redact_text does; returns the new length. */
extern size_t key_mask_shorten(char *text, size_t length);

/*
 * The same for a line of a log.  There the beginning of a key may be missing
 * too, behind "..." and where a line begins that has a caret below it: whatever
 * may be the rest of one is masked.
 */
extern size_t key_mask_log_line(char *text, size_t length);

/* Puts a star for each character, so that whatever else is in the text stays where it is. */
extern void key_mask_keep_length(char *text, size_t length);

#endif							/* KEY_MASK_H */
