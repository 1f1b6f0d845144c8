// Hostile XML, through the two readers that take XML.
#include "topology/readers/xml.hpp"
#include "case_files.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string parse_refusal(const std::string& text) {
  return refusal([](const std::string& xml, const std::string& file) { parse_xml(xml, file, {}); }, text);
}

TEST(Xml, IsAFlatListWithParentsAndLines) {
  const auto document = parse_xml("<a>\n<b c=\"1\" d=\"&lt;\">text</b>\n<e/></a>", "f", {});
  ASSERT_EQ(document.elements.size(), 3U);
  EXPECT_EQ(document.root().name, "a");
  EXPECT_EQ(document.root().parent, kNoParent);
  EXPECT_EQ(document.elements[1].line, 2);
  EXPECT_EQ(document.elements[1].get("d"), "<");
  EXPECT_EQ(document.elements[1].text, "text");
  EXPECT_FALSE(document.elements[1].has("x"));
  EXPECT_EQ(document.elements[2].parent, 0U);
  EXPECT_EQ(document.parent_name(document.elements[2]), "a");
}

TEST(Xml, HugeFilesAreRefusedBySizeAlone) {
  const std::string huge(100U << 20, '<');
  EXPECT_THAT(refusal(read_nccl_xml, huge), AllOf(HasSubstr("has 100 MiB"), HasSubstr("at most 16 MiB")));
  EXPECT_THAT(refusal(read_hwloc_xml, huge), HasSubstr("has 100 MiB"));
  EXPECT_THAT(refusal(read_smi_matrix, huge), HasSubstr("has 100 MiB"));
  EXPECT_THAT(refusal(read_switch_topology, huge), HasSubstr("has 100 MiB"));
  EXPECT_EQ(topology_file_kind(huge), TopologyFileKind::unknown);
}

TEST(Xml, NestingAMillionDeepIsRefused) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "<a>";
  EXPECT_THAT(parse_refusal(text), HasSubstr("given.file:1: elements are nested deeper than 128"));
}

TEST(Xml, ElementsWithoutNumberAreRefused) {
  std::string text = "<a>";
  for (int i = 0; i < 300'000; ++i) text += "<b/>\n";
  EXPECT_THAT(parse_refusal(text + "</a>"),
              AllOf(HasSubstr("given.file:200000:"), HasSubstr("more than 200000 elements")));
}

TEST(Xml, AttributesWithoutNumberAreRefused) {
  std::string text = "<a";
  for (int i = 0; i < 1000; ++i) text += " b" + std::to_string(i) + "=\"\"";
  EXPECT_THAT(parse_refusal(text + "/>"), HasSubstr("more than 64 attributes"));
}

TEST(Xml, EntitiesAreRefused) {
  const std::string laughs = R"(<?xml version="1.0"?>
<!DOCTYPE system [
<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<system>&c;</system>)";
  EXPECT_THAT(parse_refusal(laughs), HasSubstr("given.file:3: defines the entity 'a'"));
  EXPECT_EQ(topology_file_kind(laughs), TopologyFileKind::nccl_xml) << "so that its reader says why not";
  const std::string stranger = "<!DOCTYPE lolz [<!ENTITY a \"ha>\">]><lolz>&a;</lolz>";
  ASSERT_EQ(topology_file_kind(stranger), TopologyFileKind::nccl_xml);
  EXPECT_THAT(refusal(read_nccl_xml, stranger), HasSubstr("defines the entity 'a'"));
  const std::string external =
      R"(<!DOCTYPE system [<!ENTITY x SYSTEM "file:///etc/passwd">]><system>&x;</system>)";
  EXPECT_THAT(parse_refusal(external), HasSubstr("defines the entity 'x'"));
}

TEST(Xml, ADoctypeAloneIsAFileThatWasCutOff) {
  const std::string doctype = "<!DOCTYPE system SYSTEM \"a.dtd\">\n";
  ASSERT_EQ(topology_file_kind(doctype), TopologyFileKind::nccl_xml);
  EXPECT_THAT(refusal(read_nccl_xml, doctype), HasSubstr("has no XML element"));
}

TEST(Xml, ADoctypeIsAcceptedAndNeverLoaded) {
  EXPECT_EQ(parse_refusal("<!DOCTYPE topology SYSTEM \"hwloc2.dtd\"><topology/>"), "");
  EXPECT_EQ(
      parse_refusal("<!DOCTYPE topology SYSTEM \"http://127.0.0.1:1/hwloc.dtd\"><topology>&x;</topology>"),
      "");
}

TEST(Xml, WrongEncodingsAreRefusedAndUtf16IsRead) {
  EXPECT_THAT(parse_refusal("<a b=\"\xff\xc0\"/>"), HasSubstr("given.file:1: is no well-formed XML"));
  EXPECT_THAT(parse_refusal("<?xml version=\"1.0\" encoding=\"klingon\"?><a/>"),
              HasSubstr("unknown encoding"));
  std::string wide = "\xff\xfe";
  for (const char c : std::string("<system><cpu numaid=\"0\"/></system>")) {
    wide += c;
    wide += '\0';
  }
  EXPECT_EQ(topology_file_kind(wide), TopologyFileKind::nccl_xml);
  EXPECT_EQ(read_nccl_xml(wide, "x").numa_nodes.size(), 1U);
}

TEST(Xml, OneVeryLongLineIsRead) {
  const std::string blanks(10U << 20, ' ');
  EXPECT_EQ(refusal(read_nccl_xml, "<system>" + blanks + "<cpu numaid=\"0\"/></system>"), "");
}

}  // namespace
}  // namespace fabricheck::topology
