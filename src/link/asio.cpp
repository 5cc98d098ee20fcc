// The compiled part of Boost.Asio (BOOST_ASIO_SEPARATE_COMPILATION): here and nowhere else in the programs.
#include <boost/asio/impl/src.hpp>
