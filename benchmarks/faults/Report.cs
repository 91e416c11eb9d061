using System.Globalization;
using System.Runtime.InteropServices;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults;

/// <summary>Prints the table.</summary>
internal sealed class Report(TextWriter output)
{
    private const int Columns = 100;

    /// <summary>What all of it was measured on.</summary>
    public void Begin()
    {
        string processor = File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?
            .Split(':')[1].Trim() ?? "unknown processor";
        string load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        output.WriteLine(
            $"{processor}, {Environment.ProcessorCount} cores, load {load},"
            + $" {DateTime.Now:yyyy-MM-dd}");
        output.WriteLine(
            $"{RuntimeInformation.FrameworkDescription}; "
            + (PythonProgram.Version ?? "torchrun is not installed"));
        output.WriteLine(
            $"{"",-50}{"n",4}{"p50",8}{"p99",8}{"max",8} {"",-7} goal");
    }

    /// <summary>A heading.</summary>
    public void Head(string text)
    {
        output.WriteLine();
        output.WriteLine(text);
    }

    /// <summary>A line of the table.</summary>
    /// <param name="what">What was measured.</param>
    /// <param name="samples">It.</param>
    /// <param name="unit">Its unit.</param>
    /// <param name="goal">The goal; empty: none.</param>
    public void Add(string what, Samples samples, string unit, string goal = "") => Write(
        string.Create(
            CultureInfo.InvariantCulture,
            $"  {what,-48}{samples.Count,4}{samples.Median,8:0.00}{samples.Quantile(0.99),8:0.00}"
            + $"{samples.Max,8:0.00} {unit,-7} {goal}"));

    /// <summary>A line of the table that is one number.</summary>
    public void Add(string what, double value, string unit, string goal = "") => Write(
        string.Create(
            CultureInfo.InvariantCulture,
            $"  {what,-48}{1,4}{value,8:0.00}{"",16} {unit,-7} {goal}"));

    /// <summary>A line of text.</summary>
    public void Say(string text) => Write($"  {text}");

    /// <summary>A part that came to no end.</summary>
    public void Fail(string part, Exception failure)
    {
        output.WriteLine($"  {part} came to no end: {failure.Message}");
        output.Flush();
    }

    private void Write(string line)
    {
        string text = line.TrimEnd();
        output.WriteLine(text.Length > Columns ? text[..Columns] : text);
        output.Flush();
    }
}
