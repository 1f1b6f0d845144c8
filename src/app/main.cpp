#include "app/program.hpp"

int main(int argc, char** argv) { return fabricheck::app::program(argc, argv, {}); }
