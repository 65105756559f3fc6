#pragma once
#include <libxml/xmlversion.h>
/* Debian's libxml2 shows ICU's types in its headers. They are not used here, and clash with those of Foundation's ICU in
 * programs that import both. */
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <string.h>

/* LIBXML_TEST_VERSION is a macro; it also initialises the library. */
static inline void storlib_xml_initialize(void) { LIBXML_TEST_VERSION }

/* xmlStructuredErrorFunc's second argument becomes const in libxml2 2.12: hide the change behind our own type. */
typedef void (*storlib_xml_error_function)(void *_Nonnull context, int line, int column, const char *_Nullable message);
struct storlib_xml_handlers {
    void *_Nonnull context;
    storlib_xml_error_function _Nonnull error;
};

/* The parser's SAX user data is the parser context, and its _private the handlers. */
#if LIBXML_VERSION >= 21200
static inline void storlib_xml_on_error(void *_Nullable data, const xmlError *_Nullable error) {
#else
static inline void storlib_xml_on_error(void *_Nullable data, xmlErrorPtr _Nullable error) {
#endif
    xmlParserCtxtPtr parser = (xmlParserCtxtPtr)data;
    if (parser == NULL || error == NULL || parser->_private == NULL) return;
    struct storlib_xml_handlers *handlers = (struct storlib_xml_handlers *)parser->_private;
    handlers->error(handlers->context, error->line, error->int2, error->message);
}

/* Installs `sax` (whose callbacks get the parser context as user data) and `handlers` in a new parser context. */
static inline void storlib_xml_install(xmlParserCtxtPtr _Nonnull parser, xmlSAXHandler *_Nonnull sax,
                                       struct storlib_xml_handlers *_Nonnull handlers) {
    sax->initialized = XML_SAX2_MAGIC;
    sax->serror = storlib_xml_on_error;
    memcpy(parser->sax, sax, sizeof *sax);
    parser->userData = parser;
    parser->_private = handlers;
}
static inline void *_Nonnull storlib_xml_context(void *_Nonnull parser) {
    return ((struct storlib_xml_handlers *)((xmlParserCtxtPtr)parser)->_private)->context;
}
static inline void storlib_xml_stop(void *_Nonnull parser) { xmlStopParser((xmlParserCtxtPtr)parser); }
static inline long storlib_xml_position(void *_Nonnull parser) { return xmlByteConsumed((xmlParserCtxtPtr)parser); }
/* XML_PARSE_NOENT is what turns &amp; in an attribute into & (without it, SAX gets &#38;). It opens no file here: a
 * DOCTYPE stops the parser, and no callback that declares, looks up or loads an entity is installed. */
static inline int storlib_xml_options(void) {
    return XML_PARSE_NONET | XML_PARSE_NOWARNING | XML_PARSE_NOENT | XML_PARSE_IGNORE_ENC;
}
