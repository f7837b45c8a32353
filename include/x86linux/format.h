/*
 * x86linux/format.h - text, composed without libc.
 *
 * As printf(3), but for floating point numbers, %n and positions: conversions
 * d i u x X o c s p m and %%, flags - 0 + # and space, width, precision, and the lengths
 * hh h l ll z j t. %m is the name of an error, as errno holds it.
 */
#ifndef X86LINUX_FORMAT_H
#define X86LINUX_FORMAT_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Text in memory of fixed size. What does not fit is cut. */
struct x86linux_text {
    char *at;
    size_t size, length;
};

static inline void x86linux_text_byte(struct x86linux_text *text, char byte)
{
    if (text->length < text->size)
        text->at[text->length++] = byte;
}

static inline void x86linux_text_fill(struct x86linux_text *text, char byte, int count)
{
    while (count-- > 0)
        x86linux_text_byte(text, byte);
}

/* Errors by their names. */
#define X86LINUX_ERRORS(X) \
    X(EPERM) X(ENOENT) X(ESRCH) X(EINTR) X(EIO) X(ENXIO) X(E2BIG) X(ENOEXEC) X(EBADF) \
    X(ECHILD) X(EAGAIN) X(ENOMEM) X(EACCES) X(EFAULT) X(ENOTBLK) X(EBUSY) X(EEXIST) \
    X(EXDEV) X(ENODEV) X(ENOTDIR) X(EISDIR) X(EINVAL) X(ENFILE) X(EMFILE) X(ENOTTY) \
    X(ETXTBSY) X(EFBIG) X(ENOSPC) X(ESPIPE) X(EROFS) X(EMLINK) X(EPIPE) X(EDOM) \
    X(ERANGE) X(EDEADLK) X(ENAMETOOLONG) X(ENOLCK) X(ENOSYS) X(ENOTEMPTY) X(ELOOP) \
    X(ENOMSG) X(EIDRM) X(ENODATA) X(ETIME) X(EPROTO) X(EBADMSG) X(EOVERFLOW) X(EILSEQ) \
    X(ENOTSOCK) X(EDESTADDRREQ) X(EMSGSIZE) X(EPROTOTYPE) X(ENOPROTOOPT) \
    X(EPROTONOSUPPORT) X(ESOCKTNOSUPPORT) X(EOPNOTSUPP) X(EPFNOSUPPORT) \
    X(EAFNOSUPPORT) X(EADDRINUSE) X(EADDRNOTAVAIL) X(ENETDOWN) X(ENETUNREACH) \
    X(ENETRESET) X(ECONNABORTED) X(ECONNRESET) X(ENOBUFS) X(EISCONN) X(ENOTCONN) \
    X(ESHUTDOWN) X(ETIMEDOUT) X(ECONNREFUSED) X(EHOSTDOWN) X(EHOSTUNREACH) X(EALREADY) \
    X(EINPROGRESS) X(ESTALE) X(EDQUOT) X(ECANCELED) X(EOWNERDEAD) X(ENOTRECOVERABLE) \
    X(ERFKILL)

/* The name of an error number; NULL for one without. */
static inline const char *x86linux_error_name(int error)
{
    switch (error) {
#define X86LINUX_ERROR_CASE(name) \
    case name:                    \
        return #name;
        X86LINUX_ERRORS(X86LINUX_ERROR_CASE)
#undef X86LINUX_ERROR_CASE
    default:
        return NULL;
    }
}

/* What stands between % and the conversion. */
struct x86linux_directive {
    int is_left, has_zeros, has_plus, has_space, is_alternate;
    int width, precision; /* -1: none */
    int size;             /* bytes of an integer */
};

/* Writes bytes with padding, at least `zeros` zeros before the digits. */
static inline void x86linux_text_padded(struct x86linux_text *text,
                                        const struct x86linux_directive *directive,
                                        const char *prefix, int zeros, const char *bytes,
                                        int count)
{
    int prefix_length = 0;
    while (prefix[prefix_length])
        prefix_length++;
    if (zeros < 0)
        zeros = 0;
    int padding = directive->width - prefix_length - zeros - count;
    if (padding > 0 && directive->has_zeros && !directive->is_left) {
        zeros += padding;
        padding = 0;
    }
    if (!directive->is_left)
        x86linux_text_fill(text, ' ', padding);
    while (*prefix)
        x86linux_text_byte(text, *prefix++);
    x86linux_text_fill(text, '0', zeros);
    for (int i = 0; i < count; i++)
        x86linux_text_byte(text, bytes[i]);
    if (directive->is_left)
        x86linux_text_fill(text, ' ', padding);
}

static inline void x86linux_text_number(struct x86linux_text *text,
                                        struct x86linux_directive *directive, uint64_t value,
                                        const char *prefix, unsigned base, int is_upper)
{
    const char *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[24], bytes[24];
    int count = 0;
    for (; value; value /= base)
        reversed[count++] = digits[value % base];
    if (count == 0 && directive->precision != 0)
        reversed[count++] = '0';
    for (int i = 0; i < count; i++)
        bytes[i] = reversed[count - 1 - i];
    if (directive->precision >= 0)
        directive->has_zeros = 0;
    x86linux_text_padded(text, directive, prefix, directive->precision - count, bytes, count);
}

static inline void x86linux_text_string(struct x86linux_text *text,
                                        struct x86linux_directive *directive, const char *string)
{
    if (!string)
        string = "(null)";
    int count = 0;
    while ((directive->precision < 0 || count < directive->precision) && string[count])
        count++;
    directive->has_zeros = 0;
    x86linux_text_padded(text, directive, "", 0, string, count);
}

static inline int x86linux_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Reads flags, width, precision and length behind a %; leaves *format at the conversion. */
static inline struct x86linux_directive x86linux_directive_of(const char **format, va_list *list)
{
    struct x86linux_directive directive = {0, 0, 0, 0, 0, 0, -1, 4};
    const char *at = *format;
    for (;; at++) {
        if (*at == '-')
            directive.is_left = 1;
        else if (*at == '0')
            directive.has_zeros = 1;
        else if (*at == '+')
            directive.has_plus = 1;
        else if (*at == ' ')
            directive.has_space = 1;
        else if (*at == '#')
            directive.is_alternate = 1;
        else
            break;
    }
    if (*at == '*') {
        directive.width = va_arg(*list, int);
        if (directive.width < 0) {
            directive.is_left = 1;
            directive.width = directive.width == -2147483647 - 1 ? 0 : -directive.width;
        }
        at++;
    }
    while (x86linux_is_digit(*at) && directive.width < 100000)
        directive.width = directive.width * 10 + (*at++ - '0');
    if (*at == '.') {
        directive.precision = 0;
        if (*++at == '*') {
            directive.precision = va_arg(*list, int);
            at++;
        }
        while (x86linux_is_digit(*at) && directive.precision < 100000)
            directive.precision = directive.precision * 10 + (*at++ - '0');
    }
    for (;; at++) {
        if (*at == 'h')
            directive.size = directive.size == 4 ? 2 : 1;
        else if (*at == 'l' || *at == 'z' || *at == 'j' || *at == 't')
            directive.size = 8;
        else
            break;
    }
    *format = at;
    return directive;
}

/* Appends to the text. `error` is what %m stands for. */
static inline void x86linux_vformat(struct x86linux_text *text, int error, const char *format,
                                    va_list arguments)
{
    va_list list;
    va_copy(list, arguments);
    while (*format) {
        if (*format != '%') {
            x86linux_text_byte(text, *format++);
            continue;
        }
        format++;
        struct x86linux_directive directive = x86linux_directive_of(&format, &list);
        const char conversion = *format;
        if (conversion)
            format++;
        const int unused = 64 - 8 * directive.size;
        switch (conversion) {
        case 'd':
        case 'i': {
            int64_t value = directive.size == 8 ? va_arg(list, long) : va_arg(list, int);
            value = (int64_t)((uint64_t)value << unused) >> unused;
            const uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
            const char *sign = value < 0             ? "-"
                               : directive.has_plus  ? "+"
                               : directive.has_space ? " "
                                                     : "";
            x86linux_text_number(text, &directive, magnitude, sign, 10, 0);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o': {
            uint64_t value =
                directive.size == 8 ? va_arg(list, unsigned long) : va_arg(list, unsigned);
            value = value << unused >> unused;
            const unsigned base = conversion == 'u' ? 10 : conversion == 'o' ? 8 : 16;
            const char *prefix = !directive.is_alternate || value == 0 ? ""
                                 : conversion == 'x'                   ? "0x"
                                 : conversion == 'X'                   ? "0X"
                                 : conversion == 'o'                   ? "0"
                                                                       : "";
            x86linux_text_number(text, &directive, value, prefix, base, conversion == 'X');
            break;
        }
        case 'p':
            x86linux_text_number(text, &directive, (uint64_t)(uintptr_t)va_arg(list, void *), "0x",
                                 16, 0);
            break;
        case 'c': {
            const char byte = (char)va_arg(list, int);
            directive.has_zeros = 0;
            x86linux_text_padded(text, &directive, "", 0, &byte, 1);
            break;
        }
        case 's':
            x86linux_text_string(text, &directive, va_arg(list, const char *));
            break;
        case 'm': {
            const char *name = x86linux_error_name(error);
            if (name)
                x86linux_text_string(text, &directive, name);
            else
                x86linux_text_number(text, &directive, (uint64_t)(uint32_t)error, "error ", 10, 0);
            break;
        }
        case '%':
            x86linux_text_byte(text, '%');
            break;
        default:
            /* What comes after cannot be found: how long the argument is is not known. */
            x86linux_text_string(text, &directive, "(unknown conversion)");
            while (*format)
                format++;
            break;
        }
    }
    va_end(list);
}

#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
static inline void x86linux_format(struct x86linux_text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    x86linux_vformat(text, 0, format, list);
    va_end(list);
}

#endif
