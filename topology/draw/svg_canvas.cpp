#include "topology/draw/svg_canvas.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fabricheck::topology {
namespace {

/// Bytes of the character at the front of UTF-8 text.
std::size_t character_length(std::string_view text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; };
  std::size_t length = 1;
  while (length < text.size() && continues(text[length])) ++length;
  return length;
}

/// Of the font size, in DejaVu Sans: the widest of what stands in for Helvetica.
double character_width(char c) {
  if (std::string_view("iljI.,:;|!'[]() ").find(c) != std::string_view::npos) return 0.33;
  if (c == 'f' || c == 'r' || c == 't' || c == '-' || c == '/') return 0.4;
  if (c == 'm' || c == 'M' || c == 'W' || c == '@' || c == '%') return 0.97;
  if (c == 'w') return 0.82;
  if (std::string_view("DGHNOQU").find(c) != std::string_view::npos) return 0.76;
  if (c >= 'A' && c <= 'Z') return 0.7;
  return 0.635;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

double text_width(std::string_view text, double size, bool bold) {
  double width = 0;
  for (std::size_t at = 0; at < text.size(); at += character_length(text.substr(at)))
    width += character_width(text[at]);
  return width * size * (bold ? 1.1 : 1.0);
}

std::string fitted(const std::string& text, double width, double size, bool bold) {
  if (text_width(text, size, bold) <= width) return text;
  std::string cut;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_length(std::string_view(text).substr(at));
    if (text_width(cut + text.substr(at, length) + "…", size, bold) > width) break;
    cut += text.substr(at, length);
    at += length;
  }
  return cut + "…";
}

std::vector<std::string> wrapped(const std::string& text, double width, double size, bool bold) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, space - at);
    at = space + 1;
    const std::string longer = line.empty() ? word : fmt::format("{} {}", line, word);
    if (text_width(longer, size, bold) <= width || line.empty()) {
      line = longer;
    } else {
      lines.push_back(line);
      line = word;
    }
  }
  if (!line.empty()) lines.push_back(line);
  for (std::string& each : lines) each = fitted(each, width, size, bold);
  return lines;
}

void SvgCanvas::rectangle(const Box& box, const Paint& paint, double radius) {
  shapes_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{:g}\" fill=\"{}\" "
      "stroke=\"{}\" "
      "stroke-width=\"{:g}\"/>\n",
      box.x, box.y, box.width, box.height, radius, paint.fill, paint.stroke, paint.width);
}

void SvgCanvas::text(double x, double y, std::string_view words, const TextStyle& style) {
  if (words.empty()) return;
  shapes_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:g}\" fill=\"{}\"{}{}>{}</text>\n", x,
                         y, style.size, style.colour, style.bold ? " font-weight=\"bold\"" : "",
                         style.centred ? " text-anchor=\"middle\"" : "", escape_xml(words));
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, const Paint& paint) {
  shapes_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{:g}\"/>\n",
      x1, y1, x2, y2, paint.stroke, paint.width);
}

void SvgCanvas::arc(double x1, double x2, double y, double depth, const Paint& paint) {
  shapes_ += fmt::format(
      "<path d=\"M {0:.1f} {2:.1f} C {0:.1f} {3:.1f} {1:.1f} {3:.1f} {1:.1f} {2:.1f}\" fill=\"none\" "
      "stroke=\"{4}\" stroke-width=\"{5:g}\"/>\n",
      x1, x2, y, y + depth * 4 / 3, paint.stroke, paint.width);
}

double SvgCanvas::paragraph(double x, double y, double width, const std::string& words,
                            const TextStyle& style) {
  for (const std::string& each : wrapped(words, width, style.size, style.bold)) {
    text(x, y, each, style);
    y += style.size * 1.35;
  }
  return y;
}

std::string SvgCanvas::finish(double width, double height, const std::string& title) const {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" role=\"img\">\n"
      "<title>{2}</title>\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"{3}\"/>\n{4}</svg>\n",
      width, height, escape_xml(title), kPagePaint.fill, shapes_);
}

}  // namespace fabricheck::topology
