// Shapes and text of an SVG. Private to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

/// Colours that colour-blind people tell apart (after Okabe and Ito); each is named in words as well.
struct Paint {
  std::string_view fill;
  std::string_view stroke;
  double width{1};
};
inline constexpr Paint kGpuPaint{"#d9f0e8", "#00795a"};
inline constexpr Paint kNicPaint{"#d9ecf8", "#0072b2"};
inline constexpr Paint kNvlinkPaint{"#f4e4ee", "#a8508a"};
inline constexpr Paint kSwitchPaint{"#ececec", "#7a7a7a"};
inline constexpr Paint kNumaPaint{"#fafafa", "#9a9a9a"};
inline constexpr Paint kHostPaint{"#eef3f7", "#5f7485"};
inline constexpr Paint kWarningPaint{"#fde3d1", "#c64f00", 2.5};
inline constexpr Paint kPagePaint{"#ffffff", "none"};
inline constexpr std::string_view kInk = "#1a1a1a";
inline constexpr std::string_view kFaintInk = "#555555";
inline constexpr std::string_view kWarningInk = "#b23f00";

struct Box {
  double x{}, y{}, width{}, height{};
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

struct TextStyle {
  double size{11};
  bool bold{false};
  std::string_view colour{kInk};
  bool centred{false};
};

/// Text of a file may hold anything: markup becomes text.
std::string escape_xml(std::string_view text);

/// About how wide a text is at most, in the fonts that viewers take for Helvetica.
double text_width(std::string_view text, double size, bool bold = false);

/// The text cut with "…" to about this width.
std::string fitted(const std::string& text, double width, double size, bool bold = false);

/// The text in lines of about this width, cut at spaces.
std::vector<std::string> wrapped(const std::string& text, double width, double size, bool bold = false);

class SvgCanvas {
 public:
  void rectangle(const Box& box, const Paint& paint, double radius = 4);
  void text(double x, double y, std::string_view words, const TextStyle& style = {});
  void line(double x1, double y1, double x2, double y2, const Paint& paint);
  /// A curve that hangs below its two ends.
  void arc(double x1, double x2, double y, double depth, const Paint& paint);
  /// Wrapped text from (x, y) on; gives the y below it back.
  double paragraph(double x, double y, double width, const std::string& words, const TextStyle& style = {});
  /// The whole file; `title` is what screen readers and tooltips say.
  std::string finish(double width, double height, const std::string& title) const;

 private:
  std::string shapes_;
};

}  // namespace fabricheck::topology
