#pragma once

// All registers of the Non-secure interface. IHI 0070 chapter 6
#include <sluice/arch/registers_control.hpp>
#include <sluice/arch/registers_id.hpp>
#include <sluice/arch/registers_other.hpp>
#include <sluice/arch/registers_queue.hpp>
