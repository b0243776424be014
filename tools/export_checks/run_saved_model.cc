// Runs a model with TensorFlow's C++ loader: `run_saved_model FOLDER`. Requests
// come in, answers go out, as lines: see exchange.py. XLA is disabled, as in
// TensorFlow Serving.

#include <chrono>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/compiler/jit/flags.h"

using tensorflow::DataType;
using tensorflow::Tensor;
using tensorflow::tstring;

using Feeds = std::vector<std::pair<std::string, Tensor>>;
using Names = std::vector<std::string>;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  const auto passed = std::chrono::steady_clock::now() - start;
  return std::chrono::duration<double>(passed).count();
}

std::string FromHex(const std::string& word) {  // "x" and hexadecimal bytes
  std::string bytes;
  for (size_t i = 1; i + 1 < word.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(word.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

void WriteHex(const char* bytes, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  std::string word = " x";
  for (size_t i = 0; i < size; ++i) {
    const unsigned char byte = bytes[i];
    word += kDigits[byte >> 4];
    word += kDigits[byte & 15];
  }
  std::cout << word;
}

Tensor ReadTensor(std::istream& words) {
  int type, rank;
  words >> type >> rank;
  std::vector<int64_t> shape(rank);
  for (auto& dimension : shape) words >> dimension;
  Tensor tensor(static_cast<DataType>(type), tensorflow::TensorShape(shape));
  std::string word;
  if (type == tensorflow::DT_STRING) {
    auto strings = tensor.flat<tstring>();
    for (int64_t i = 0; i < strings.size() && words >> word; ++i) {
      strings(i) = FromHex(word);
    }
  } else if (words >> word) {
    const std::string bytes = FromHex(word);
    if (bytes.size() != tensor.tensor_data().size()) {
      throw std::runtime_error("An array has too few or too many bytes.");
    }
    std::memcpy(tensor.data(), bytes.data(), bytes.size());
  }
  return tensor;
}

void WriteTensor(const Tensor& tensor) {
  std::cout << "output " << tensor.dtype() << ' ' << tensor.dims();
  for (const int64_t size : tensor.shape().dim_sizes()) {
    std::cout << ' ' << size;
  }
  if (tensor.dtype() == tensorflow::DT_STRING) {
    const auto strings = tensor.flat<tstring>();
    for (int64_t i = 0; i < strings.size(); ++i) {
      WriteHex(strings(i).data(), strings(i).size());
    }
  } else {
    WriteHex(tensor.tensor_data().data(), tensor.tensor_data().size());
  }
  std::cout << '\n';
}

void WriteError(const absl::Status& status) {
  std::string message = status.ToString();
  for (char& letter : message) {
    if (letter == '\n') letter = ' ';
  }
  std::cout << "error " << message << std::endl;
}

void Run(tensorflow::Session* session, const Feeds& feeds,
         const Names& fetches) {
  std::vector<Tensor> outputs;
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = session->Run(feeds, fetches, {}, &outputs);
  const double seconds = SecondsSince(start);
  if (!status.ok()) return WriteError(status);
  for (const Tensor& output : outputs) WriteTensor(output);
  std::cout << "ran " << seconds << std::endl;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: run_saved_model FOLDER\n";
    return 2;
  }
  tensorflow::DisableXlaCompilation();
  tensorflow::SavedModelBundle model;
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status =
      tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &model);
  if (!status.ok()) {
    WriteError(status);
    return 1;
  }
  std::cout << "loaded " << SecondsSince(start) << std::endl;

  Feeds feeds;
  Names fetches;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, name;
    words >> command >> name;
    if (command == "feed") {
      feeds.emplace_back(name, ReadTensor(words));
    } else if (command == "fetch") {
      fetches.push_back(name);
    } else {
      Run(model.GetSession(), feeds, fetches);
      feeds.clear();
      fetches.clear();
    }
  }
  return 0;
}
